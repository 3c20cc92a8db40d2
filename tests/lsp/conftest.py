"""One language server in its own process, and a client that speaks to it."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pygls", reason='the language server needs pygls: pip install "fusec[lsp]"')

from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient

ROWS = '{"text": "a line of words", "lang": "en", "score": 1.5}\n' * 8


class Editor:
    """An editor with one folder; every call waits for the answer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.loop = asyncio.new_event_loop()
        self.client = LanguageClient("test", "1")
        self.told: dict[str, lsp.PublishDiagnosticsParams] = {}
        self.versions: dict[str, int] = {}

        @self.client.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def tell(params: lsp.PublishDiagnosticsParams) -> None:
            self.told[params.uri] = params

        command = (sys.executable, "-c", "from fusec.cli.main import main; main()", "lsp")
        self.wait(self.client.start_io(*command))
        params = lsp.InitializeParams(lsp.ClientCapabilities(), root_uri=folder.as_uri())
        self.abilities = self.wait(self.client.initialize_async(params)).capabilities
        self.client.initialized(lsp.InitializedParams())

    def wait(self, coming: Any) -> Any:
        return self.loop.run_until_complete(asyncio.wait_for(coming, 30))

    def stop(self) -> int:
        self.wait(self.client.shutdown_async(None))
        self.client.exit(None)
        process = self.client._server
        assert process is not None
        code = self.wait(process.wait())
        self.wait(self.client.stop())
        self.loop.close()
        return int(code)

    def told_of(self, uri: str, enough: Callable[[Any], bool]) -> list[lsp.Diagnostic]:
        """What was last said of a file, once it is enough."""

        async def told() -> list[lsp.Diagnostic]:
            while not enough(self.told.get(uri)):
                await asyncio.sleep(0.01)
            return list(self.told[uri].diagnostics)

        return list(self.wait(told()))

    def open(self, text: str, name: str = "spec.fuse") -> "Page":
        """A file that is open and on no disk."""
        page = Page(self, (self.folder / name).as_uri(), text)
        self.told.pop(page.uri, None)
        version = self.versions[page.uri] = self.versions.get(page.uri, 0) + 1
        self.client.text_document_did_open(
            lsp.DidOpenTextDocumentParams(lsp.TextDocumentItem(page.uri, "fuse", version, text))
        )
        return page


class Page:
    """One open file, and questions about places that are named by the text around them."""

    def __init__(self, editor: Editor, uri: str, text: str) -> None:
        self.editor, self.uri, self.text = editor, uri, text

    @property
    def id(self) -> lsp.TextDocumentIdentifier:
        return lsp.TextDocumentIdentifier(self.uri)

    def edit(self, text: str) -> None:
        self.text = text
        self.editor.told.pop(self.uri, None)
        version = self.editor.versions[self.uri] = self.editor.versions[self.uri] + 1
        change = lsp.TextDocumentContentChangeWholeDocument(text)
        self.editor.client.text_document_did_change(
            lsp.DidChangeTextDocumentParams(lsp.VersionedTextDocumentIdentifier(version, self.uri), [change])
        )

    def problems(self) -> list[lsp.Diagnostic]:
        """What the server says about the text as it is now."""
        return self.editor.told_of(
            self.uri, lambda told: getattr(told, "version", None) == self.editor.versions[self.uri]
        )

    def comes_to(self, *codes: str) -> bool:
        """Wait until the problems are these: they may change because another file does."""
        self.editor.told_of(self.uri, lambda told: told and [d.code for d in told.diagnostics] == [*codes])
        return True

    def at(self, around: str) -> lsp.Position:
        """The place of `^` in a piece of the text, as in `"data: ^code"`."""
        before, after = around.split("^")
        assert self.text.count(before + after) == 1, f"{around!r} is not one place"
        start = self.text[: self.text.index(before + after) + len(before)]
        line = start.rpartition("\n")[2]
        return lsp.Position(start.count("\n"), len(line.encode("utf-16-le")) // 2)

    def cut(self, range: lsp.Range) -> str:
        """The text of a range."""
        lines = self.text.split("\n")
        assert range.start.line == range.end.line
        data = lines[range.start.line].encode("utf-16-le")
        return data[2 * range.start.character : 2 * range.end.character].decode("utf-16-le")

    def applied(self, edits: list[lsp.TextEdit]) -> str:
        """The text after edits that do not overlap."""
        lines = self.text.split("\n")
        for edit in sorted(edits, key=lambda e: (e.range.start.line, e.range.start.character), reverse=True):
            first, last = edit.range.start, edit.range.end
            head = lines[first.line].encode("utf-16-le")[: 2 * first.character].decode("utf-16-le")
            tail = lines[last.line].encode("utf-16-le")[2 * last.character :].decode("utf-16-le")
            lines[first.line : last.line + 1] = (head + edit.new_text + tail).split("\n")
        return "\n".join(lines)

    def hover(self, around: str) -> str:
        params = lsp.HoverParams(self.id, self.at(around))
        found = self.editor.wait(self.editor.client.text_document_hover_async(params))
        return found.contents.value if found else ""

    def definition(self, around: str) -> lsp.Location | None:
        params = lsp.DefinitionParams(self.id, self.at(around))
        found = self.editor.wait(self.editor.client.text_document_definition_async(params))
        return found[0] if found else None

    def references(self, around: str) -> list[lsp.Location]:
        params = lsp.ReferenceParams(lsp.ReferenceContext(True), self.id, self.at(around))
        return list(self.editor.wait(self.editor.client.text_document_references_async(params)) or ())

    def rename(self, around: str, new: str) -> str:
        return self.applied(self.rename_everywhere(around, new)[self.uri])

    def rename_everywhere(self, around: str, new: str) -> dict[str, list[lsp.TextEdit]]:
        """The edits by address."""
        params = lsp.RenameParams(self.id, self.at(around), new)
        done = self.editor.wait(self.editor.client.text_document_rename_async(params))
        return {uri: list(edits) for uri, edits in done.changes.items()}

    def complete(self, around: str) -> list[str]:
        return [item.label for item in self.items(around)]

    def items(self, around: str) -> list[lsp.CompletionItem]:
        params = lsp.CompletionParams(self.id, self.at(around))
        done = self.editor.wait(self.editor.client.text_document_completion_async(params))
        return sorted(done.items, key=lambda item: item.sort_text)

    def fixes(self, diagnostic: lsp.Diagnostic) -> list[lsp.CodeAction]:
        context = lsp.CodeActionContext([diagnostic], only=[lsp.CodeActionKind.QuickFix])
        params = lsp.CodeActionParams(self.id, diagnostic.range, context)
        return list(self.editor.wait(self.editor.client.text_document_code_action_async(params)) or ())

    def fix_all(self) -> str:
        """The text after every certain fix."""
        kind = lsp.CodeActionKind.SourceFixAll
        whole = lsp.Range(lsp.Position(0, 0), lsp.Position(self.text.count("\n"), 0))
        params = lsp.CodeActionParams(self.id, whole, lsp.CodeActionContext([], only=[kind]))
        found = self.editor.wait(self.editor.client.text_document_code_action_async(params))
        if not found:
            return self.text
        done = self.editor.wait(self.editor.client.code_action_resolve_async(found[0]))
        return self.applied(done.edit.changes[self.uri])

    def close(self) -> None:
        self.editor.client.text_document_did_close(lsp.DidCloseTextDocumentParams(self.id))


@pytest.fixture(scope="session")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    folder = tmp_path_factory.mktemp("specs")
    (folder / "notes.jsonl").write_text(ROWS)
    editor = Editor(folder)
    yield editor
    assert editor.stop() == 0
