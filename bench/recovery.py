"""How well one wrong token is told: each token of each spec deleted, and each of 26 put before it.

    python bench/recovery.py [EVERY] [SPEC ...]

Takes every EVERY-th insertion (default 8; 1 for all) and all deletions. A spec is checked with facts that
answer for any source, and only what the edit adds to its messages counts. Columns: edits; those after
which the spec still means something (no error); exceptions; and of the rest, in percent, those with a
message at most one line from the edit, and those with at most two messages.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from string import ascii_letters, digits
from typing import NamedTuple

import msgspec

from fusec.compiler.check import check
from fusec.compiler.facts import SourceFacts, SourceProblem, SourceRequest
from fusec.lang.diagnostics import Diagnostic
from fusec.lang.lexer import words
from fusec.lang.parse import parse
from fusec.lang.source import Source

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "compiler"))
import world

ROOT = Path(__file__).resolve().parents[1]
SPECS = (*sorted((ROOT / "specs").glob("*.fuse")), *sorted((ROOT / "tests/lang/specs").glob("*.fuse")))
# Not all: a key taken out of a list is a sound list, and the mistake stands where the key is used.
NEAR_BOUND, FEW_BOUND = 0.995, 0.9

LETTERS = tuple(ascii_letters + digits)
ALPHABET = (
    "x", "7", '"s"', "8 GB", ".c", "true", "model", "(", ")", "[", "]", "{", "}", ",", ":", "=", "==", "..",
    ".", "|>", "+", "if", "else", "in", "not", "from",
)  # fmt: skip


class Edit(NamedTuple):
    """The text with one token more or less; `at` is the offset of the change in it."""

    say: str
    text: str
    at: int


class Told(NamedTuple):
    """What an edit adds: `near` when a mark is at most a line away, `failed` for an exception."""

    edit: Edit
    new: list[Diagnostic]
    valid: bool
    near: bool
    failed: str


def edits(text: str, every: int = 1) -> Iterator[Edit]:
    """All deletions, and every `every`-th insertion."""
    number = 0
    for token in words(Source("spec.fuse", text)).tokens:
        old = text[token.start : token.end]
        yield Edit(f"delete {old}", text[: token.start] + text[token.end :], token.start)
        for new in ALPHABET:
            if number % every == 0:
                apart = " " * text[: token.start].endswith(tuple("'\"#_)]}:,.=") + LETTERS)
                put = f"{text[: token.start]}{apart}{new} {text[token.start :]}"
                yield Edit(f"insert {new} before {old}", put, token.start)
            number += 1


def facts(request: SourceRequest) -> SourceFacts | SourceProblem:
    """The facts of the fixture world, and for any other source those of one of its kind."""
    found = world.facts(request)
    stand_in = {"model": world.ROOT, "tokenizer": world.ROOT, "data": "fixture:pairs"}.get(request.kind)
    if isinstance(found, SourceProblem) and found.kind == "missing" and stand_in:
        return msgspec.structs.replace(world.FACTS[request.kind, stand_in], uri=request.uri)
    return found


def problems(text: str) -> tuple[Diagnostic, ...]:
    """What the front end says about a spec."""
    return check(parse(Source("spec.fuse", text)), facts, {}).problems


def said(found: tuple[Diagnostic, ...]) -> Counter[tuple[str, str]]:
    return Counter((problem.code, problem.title()) for problem in found)


def tell(edit: Edit, before: Counter[tuple[str, str]]) -> Told:
    """Checks one edited spec; `before` is what was said of it unedited."""
    try:
        found = problems(edit.text)
    except Exception as error:
        return Told(edit, [], False, False, repr(error))
    known = before.copy()
    new: list[Diagnostic] = []
    for problem in found:
        key = (problem.code, problem.title())
        known[key] -= 1
        if known[key] < 0 and problem.level != "hint":
            new.append(problem)
    line = edit.text.count("\n", 0, edit.at) + 1
    near = any(abs(mark.span.position.line - line) <= 1 for problem in new for mark in problem.marks())
    return Told(edit, new, not new, near, "")


def tell_all(job: tuple[Path, int]) -> list[Told]:
    """Every edit of one spec."""
    path, every = job
    text = path.read_text(encoding="utf-8")
    before = said(problems(text))
    return [tell(edit, before) for edit in edits(text, every)]


def row(name: str, told: list[Told]) -> tuple[str, bool]:
    """The line of the table, and whether the bounds hold."""
    failed = sum(bool(one.failed) for one in told)
    wrong = [one for one in told if not one.valid and not one.failed]
    near = sum(one.near for one in wrong) / max(len(wrong), 1)
    few = sum(len(one.new) <= 2 for one in wrong) / max(len(wrong), 1)
    valid = len(told) - len(wrong) - failed
    line = f"{name:<14}{len(told):>8}{valid:>8}{failed:>12}{near:>14.2%}{few:>14.2%}"
    return line, not failed and near >= NEAR_BOUND and few >= FEW_BOUND


def numbers(job: tuple[Path, int]) -> tuple[str, list[tuple[bool, bool, int, str]]]:
    return job[0].stem, [(t.valid, t.near, len(t.new), t.failed) for t in tell_all(job)]


def main() -> int:
    every = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    paths = [Path(name) for name in sys.argv[2:]] or SPECS
    print(f"{'spec':<14}{'edits':>8}{'valid':>8}{'exceptions':>12}{'within 1 line':>14}{'<= 2 messages':>14}")
    fine, total = True, []
    with ProcessPoolExecutor(2) as pool:
        for name, rows in pool.map(numbers, [(path, every) for path in paths]):
            told = [Told(Edit("", "", 0), [None] * n, v, near, f) for v, near, n, f in rows]
            line, good = row(name, told)
            print(line, flush=True)
            fine, total = fine and good, total + told
    print(row("all", total)[0])
    return int(not fine)


if __name__ == "__main__":
    sys.exit(main())
