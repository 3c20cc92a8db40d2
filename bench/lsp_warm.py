"""How long the language server takes to check a spec of 5,000 lines again after one edit, against 50 ms.

    python bench/lsp_warm.py [LINES]

Each of 20 edits changes a number inside one declaration in the middle, and every second one adds a line, so
that all below it moves. In process: parse, check, and problems ready to be sent; once for the spec itself,
and once for a short spec that uses it and is checked again because it was edited. Over stdio: from sending
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
USER = """edition 2026

param seed = 1

use "big.fuse"(seed: 2) as big

model last = finetune { model: big.m1, data: big.code, steps: 10, lr: 1e-3 }

output last to "./out"
"""


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


def in_process(folder: Path, lines: list[str], user: str) -> tuple[float, list[float]]:
    """Seconds of the first check of `user`, "big.fuse" itself or what uses it, and of one after each edit."""
    from fusec.cli.lsp.problems import diagnostic
    from fusec.cli.lsp.workspace import Workspace

    specs = Workspace()

    def check(text: str) -> float:
        begin = time.perf_counter()
        specs.take((folder / "big.fuse").as_uri(), text)
        for problem in specs.open[(folder / user).as_uri()].problems():
            diagnostic(problem, specs.uri)
        return time.perf_counter() - begin

    specs.take((folder / "user.fuse").as_uri(), USER)
    return check("\n".join(lines)), [check(text) for text in edits(lines)]


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
        cold, warm = in_process(folder, lines, "big.fuse")
        first, used = in_process(folder, lines, "user.fuse")
        served = asyncio.run(over_stdio(folder, lines))
    print(f"{len(lines)} lines; first check {cold * 1000:.0f} ms, as a used file {first * 1000:.0f} ms")
    slow = False
    for what, seconds in (("in process", warm), ("a file that uses it", used), ("over stdio", served)):
        median = statistics.median(seconds)
        print(
            f"{what:<20} median of {EDITS} edits {median * 1000:5.1f} ms, "
            f"slowest {max(seconds) * 1000:5.1f} ms, bound {BOUND * 1000:.0f} ms"
        )
        slow = slow or median >= BOUND
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
