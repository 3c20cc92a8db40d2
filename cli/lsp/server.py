"""The language server: keeps open specs checked, answers what editors ask. Never ends by a mistake."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

from lsprotocol import types as lsp
from pygls import uris
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams
from pygls.lsp.server import LanguageServer

from fusec import __version__
from fusec.cli.lsp import index
from fusec.cli.lsp.completion import complete
from fusec.cli.lsp.convert import offset_of, range_of, whole
from fusec.cli.lsp.document import Document
from fusec.cli.lsp.hover import hover
from fusec.cli.lsp.outline import outline
from fusec.cli.lsp.problems import actions, diagnostic
from fusec.cli.lsp.warm import Memory
from fusec.compiler.facts import SourceFacts, SourceProblem, SourceRequest
from fusec.compiler.typed import Typed
from fusec.lang import tree
from fusec.lang.format import DoesNotParse, format_source
from fusec.lang.lexer import DECLARATIONS, RESERVED
from fusec.runtime.kernel import RunError
from fusec.runtime.session import Session

DEBOUNCE = 0.15
"""Seconds without a change after which problems are told."""

log = logging.getLogger("fusec.lsp")
Answer = TypeVar("Answer")


class Open:
    """One open file. Facts are those of its lock and headers when it was opened or last saved."""

    def __init__(self, uri: str, text: str, version: int) -> None:
        self.uri = uri
        self.path = Path(uris.to_fs_path(uri) or "untitled.fuse")
        self.document = Document(str(self.path), text)
        self.waiting: asyncio.TimerHandle | None = None
        self.forget(version)

    def forget(self, version: int) -> None:
        """Look at the sources afresh."""
        self.version = version
        self.memory = Memory()
        self._typed: Typed | None = None
        try:
            self._session: Session | None = Session(self.path)
        except RunError as error:
            log.warning("%s; %s", error.what, error.hint)
            self._session = None

    def edit(self, text: str, version: int) -> None:
        self.document.edit(text)
        self.version, self._typed = version, None

    @property
    def typed(self) -> Typed:
        if self._typed is None:
            self._typed = self.memory.check(self.document.parsed, self._facts)
        return self._typed

    def try_text(self, text: str) -> Typed:
        """What another text would come to; the document stays as it is."""
        now = self.document.text
        self.document.edit(text)
        try:
            return self.memory.check(self.document.parsed, self._facts)
        finally:
            self.document.edit(now)

    def _facts(self, request: SourceRequest) -> SourceFacts | SourceProblem:
        if self._session is None:
            hint = "remove the lock and pin the sources again with `fusec lock`"
            return SourceProblem("damaged", "the lock beside the spec cannot be read", hint)
        return self._session.facts(request)


class Server(LanguageServer):
    def __init__(self) -> None:
        super().__init__("fusec", __version__, text_document_sync_kind=lsp.TextDocumentSyncKind.Full)
        self.open: dict[str, Open] = {}

    def tell(self, file: Open) -> None:
        """Publish what is wrong with a file."""
        file.waiting = None
        found = [diagnostic(problem, file.uri) for problem in file.typed.problems]
        self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(file.uri, found, file.version))

    def tell_soon(self, file: Open) -> None:
        if file.waiting is not None:
            file.waiting.cancel()
        file.waiting = asyncio.get_running_loop().call_later(DEBOUNCE, safe(self.tell), file)


def safe(handler: Callable[..., Answer]) -> Callable[..., Answer | None]:
    """The handler, answering nothing where it breaks: the mistake goes to the log. Refusals are answers."""

    @wraps(handler)
    def call(*args: Any) -> Answer | None:
        try:
            return handler(*args)
        except JsonRpcException:
            raise
        except Exception:
            log.exception("%s failed", handler.__name__)
            return None

    return call


def make_server() -> Server:
    """A server that is not connected yet."""
    server = Server()
    server.feature(lsp.TEXT_DOCUMENT_DID_OPEN)(safe(did_open))
    server.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)(safe(did_change))
    server.feature(lsp.TEXT_DOCUMENT_DID_SAVE)(safe(did_save))
    server.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)(safe(did_close))
    server.feature(
        lsp.TEXT_DOCUMENT_CODE_ACTION, lsp.CodeActionOptions(code_action_kinds=[lsp.CodeActionKind.QuickFix])
    )(safe(code_action))
    server.feature(lsp.TEXT_DOCUMENT_HOVER)(safe(hover_text))
    server.feature(lsp.TEXT_DOCUMENT_DEFINITION)(safe(definition))
    server.feature(lsp.TEXT_DOCUMENT_REFERENCES)(safe(references))
    server.feature(lsp.TEXT_DOCUMENT_PREPARE_RENAME)(safe(prepare_rename))
    server.feature(lsp.TEXT_DOCUMENT_RENAME, lsp.RenameOptions(prepare_provider=True))(safe(rename))
    server.feature(
        lsp.TEXT_DOCUMENT_COMPLETION,
        lsp.CompletionOptions(trigger_characters=["{", ".", '"', ">", "=", ":", " "]),
    )(safe(completion))
    server.feature(lsp.TEXT_DOCUMENT_DOCUMENT_SYMBOL)(safe(symbols))
    server.feature(lsp.TEXT_DOCUMENT_FORMATTING)(safe(formatting))
    return server


# --- the life of a file -----------------------------------------------------------


def did_open(server: Server, params: lsp.DidOpenTextDocumentParams) -> None:
    item = params.text_document
    file = server.open[item.uri] = Open(item.uri, item.text, item.version)
    server.tell(file)


def did_change(server: Server, params: lsp.DidChangeTextDocumentParams) -> None:
    document, text = params.text_document, params.content_changes[-1].text
    if document.uri in server.open:
        server.open[document.uri].edit(text, document.version)
    else:  # it could not be read when it was opened
        server.open[document.uri] = Open(document.uri, text, document.version)
    server.tell_soon(server.open[document.uri])


def did_save(server: Server, params: lsp.DidSaveTextDocumentParams) -> None:
    file = server.open[params.text_document.uri]
    file.forget(file.version)
    server.tell_soon(file)


def did_close(server: Server, params: lsp.DidCloseTextDocumentParams) -> None:
    file = server.open.pop(params.text_document.uri)
    if file.waiting is not None:
        file.waiting.cancel()
    server.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(file.uri, []))


# --- questions ------------------------------------------------------------------------


def code_action(server: Server, params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
    file = server.open[params.text_document.uri]
    return actions(file.typed.problems, file.uri, params.range)


def hover_text(server: Server, params: lsp.HoverParams) -> lsp.Hover | None:
    file = server.open[params.text_document.uri]
    found = hover(file.document, file.typed, offset_of(file.document, params.position))
    if found is None:
        return None
    return lsp.Hover(lsp.MarkupContent(lsp.MarkupKind.Markdown, found.text), range_of(found.span))


def _occurrence(file: Open, place: lsp.Position) -> index.Occurrence | None:
    return index.found_at(file.document, offset_of(file.document, place))


def definition(server: Server, params: lsp.DefinitionParams) -> lsp.Location | None:
    file = server.open[params.text_document.uri]
    found = _occurrence(file, params.position)
    if found is None:
        return None
    if found.owner is not None:
        return lsp.Location(file.uri, range_of(found.owner))
    name = getattr(index.declared(file.document)[found.name], "name", None)
    return lsp.Location(file.uri, range_of(name.span)) if name is not None else None


def references(server: Server, params: lsp.ReferenceParams) -> list[lsp.Location]:
    file = server.open[params.text_document.uri]
    found = _occurrence(file, params.position)
    spans = index.all_of(file.document, found) if found is not None else []
    return [lsp.Location(file.uri, range_of(span)) for span in spans]


def prepare_rename(server: Server, params: lsp.PrepareRenameParams) -> lsp.Range | None:
    found = _occurrence(server.open[params.text_document.uri], params.position)
    return range_of(found.span) if found is not None else None


def rename(server: Server, params: lsp.RenameParams) -> lsp.WorkspaceEdit | None:
    """The edits; refuses what would change what the spec means."""
    file = server.open[params.text_document.uri]
    found, new = _occurrence(file, params.position), params.new_name
    if found is None:
        return None
    if not (new.isascii() and new.isidentifier()) or new in RESERVED | DECLARATIONS:
        raise JsonRpcInvalidParams(f"`{new}` cannot be a name")
    if new in index.words(file.document):
        raise JsonRpcInvalidParams(f"`{new}` already means something here")
    broken = next((d for d in file.document.declarations if isinstance(d, tree.Broken)), None)
    if broken is not None:
        line = broken.span.position.line
        raise JsonRpcInvalidParams(f"the declaration on line {line} cannot be read: mend it first")
    edits = [lsp.TextEdit(range_of(span), new) for span in index.all_of(file.document, found)]
    return lsp.WorkspaceEdit(changes={file.uri: edits})


def completion(server: Server, params: lsp.CompletionParams) -> lsp.CompletionList:
    file = server.open[params.text_document.uri]
    offset = offset_of(file.document, params.position)
    return lsp.CompletionList(False, complete(file.document, file.typed, offset, file.try_text))


def symbols(server: Server, params: lsp.DocumentSymbolParams) -> list[lsp.DocumentSymbol]:
    return outline(server.open[params.text_document.uri].document)


def formatting(server: Server, params: lsp.DocumentFormattingParams) -> list[lsp.TextEdit] | None:
    """One edit of the whole text; nothing where it does not parse, as its problems already say."""
    document = server.open[params.text_document.uri].document
    try:
        formatted = format_source(document.text)
    except DoesNotParse:
        return None
    return [] if formatted == document.text else [lsp.TextEdit(whole(document), formatted)]
