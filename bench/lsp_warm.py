"""How long the language server takes to check a spec of 5,000 lines again after one edit, against 50 ms.

    python bench/lsp_warm.py [LINES]

Each of 20 edits changes a number inside one declaration in the middle, and every second one adds a line, so
that all below it moves. In process: parse, check, and problems ready to be sent. Over stdio: from sending
the whole text to the answer of a code-action request, which waits for that check; both ends in Python.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient

BOUND = 0.050
EDITS = 20


def spec(lines: int) -> list[str]:
    """A chain of training steps, ten lines each."""
    text = [
        "edition 2026",
        "",
        "param seed = 17",
        "param steps = 300 steps",
        "",
        'data code from "notes.jsonl"',
    ]
    text += ["", "tokenizer words = train_tokenizer { data: code, vocab: 2048 }", "", "model m0 = init {"]
    text += ["  arch: llama(layers: 4, hidden: 128, heads: 4, context: 128)", "  tokenizer: words", "}", ""]
    number = 0
    while len(text) < lines - 1:
        number += 1
        before = number - 1 if number % 50 else 0
        text += [
            f"## Step {number}.",
            f"model m{number} = finetune {{",
            f"  model: m{before}",
            "  data: code",
        ]
        text += ["  steps: steps / 5", "  batch: 16", "  lr: 2e-3", "  warmup: 0.05", "}", ""]
    return [*text, f'output m{number} to "./out"', ""]


def edits(lines: list[str]) -> Iterator[str]:
    """Texts that follow from each other, one edit apart."""
    middle = next(i for i in range(len(lines) // 2, len(lines)) if "warmup" in lines[i])
    lines = list(lines)
    for number in range(EDITS):
        lines[middle] = f"  warmup: 0.{number + 10}" + "\n  # one more line" * (number % 2)
        yield "\n".join(lines)


def in_process(folder: Path, lines: list[str]) -> tuple[float, list[float]]:
    """Seconds of the first check, and of each check after an edit."""
    from fusec.cli.lsp.problems import diagnostic
    from fusec.cli.lsp.server import Open

    def check() -> None:
        for problem in file.typed.problems:
            diagnostic(problem, file.uri)

    uri = (folder / "big.fuse").as_uri()
    begin = time.perf_counter()
    file = Open(uri, "\n".join(lines), 0)
    check()
    cold, warm = time.perf_counter() - begin, []
    for text in edits(lines):
        begin = time.perf_counter()
        file.edit(text, 0)
        check()
        warm.append(time.perf_counter() - begin)
    return cold, warm


async def over_stdio(folder: Path, lines: list[str]) -> list[float]:
    """Seconds from each edit to the answer that needs its check."""
    client = LanguageClient("bench", "1")
    client.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)(lambda params: None)
    await client.start_io(sys.executable, "-c", "from fusec.cli.main import main; main()", "lsp")
    await client.initialize_async(lsp.InitializeParams(lsp.ClientCapabilities(), root_uri=folder.as_uri()))
    client.initialized(lsp.InitializedParams())
    uri = (folder / "big.fuse").as_uri()
    client.text_document_did_open(
        lsp.DidOpenTextDocumentParams(lsp.TextDocumentItem(uri, "fuse", 0, "\n".join(lines)))
    )
    nowhere = lsp.Range(lsp.Position(0, 0), lsp.Position(0, 0))
    question = lsp.CodeActionParams(lsp.TextDocumentIdentifier(uri), nowhere, lsp.CodeActionContext([]))
    await client.text_document_code_action_async(question)
    seconds = []
    for version, text in enumerate(edits(lines), start=1):
        begin = time.perf_counter()
        client.text_document_did_change(
            lsp.DidChangeTextDocumentParams(
                lsp.VersionedTextDocumentIdentifier(version, uri),
                [lsp.TextDocumentContentChangeWholeDocument(text)],
            )
        )
        await client.text_document_code_action_async(question)
        seconds.append(time.perf_counter() - begin)
        await asyncio.sleep(0.25)  # as between key strokes: the server tells its problems meanwhile
    await client.shutdown_async(None)
    client.exit(None)
    await client.stop()
    return seconds


def main() -> int:
    lines = spec(int(sys.argv[1]) if len(sys.argv) > 1 else 5_000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "notes.jsonl").write_text('{"text": "words"}\n' * 8)
        cold, warm = in_process(folder, lines)
        served = asyncio.run(over_stdio(folder, lines))
    print(f"{len(lines)} lines; first parse and check {cold * 1000:.0f} ms")
    for what, seconds in (("in process", warm), ("over stdio", served)):
        median = statistics.median(seconds)
        print(
            f"{what}  median of {EDITS} edits {median * 1000:.1f} ms, slowest {max(seconds) * 1000:.1f} ms, "
            f"bound {BOUND * 1000:.0f} ms"
        )
    return int(statistics.median(served) >= BOUND)


if __name__ == "__main__":
    sys.exit(main())
