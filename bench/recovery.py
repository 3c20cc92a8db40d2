"""How well one wrong token is told: each token of each spec deleted, and each of 26 put before it.

    python bench/recovery.py [EVERY] [SPEC ...]

Takes every EVERY-th insertion (default 8; 1 for all) and all deletions. A spec is checked with facts that
answer for any source, and only what the edit adds to its messages counts. Only what an edit touches is read
and checked anew, as in the language server; tests/lsp shows that this says what a check of the whole says.

Columns: edits; exceptions; those about which nothing is said, in three parts; and of the rest, in percent,
those with a message at most one line from the edit, and those with at most two messages. Nothing is said of
an edit after which the spec reads the `same` (a comma more at the end of a list), or is an `other` spec that
is fine (`not` before a condition). Whether it is one is not for our parser to say, which could have lost a
token: lark parses the words with the same grammar. What it refuses although nothing was said is `silent`.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from string import ascii_letters, digits
from typing import Any, NamedTuple

import msgspec
from lark import Lark, Token, UnexpectedInput
from lark.lexer import Lexer, PatternStr

from fusec.cli.lsp.document import Document
from fusec.cli.lsp.warm import Memory
from fusec.compiler.facts import SourceFacts, SourceProblem, SourceRequest
from fusec.lang import tree
from fusec.lang.diagnostics import Diagnostic
from fusec.lang.lexer import words
from fusec.lang.source import Source
from fusec.lang.tables import GRAMMAR

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "compiler"))
import world

ROOT = Path(__file__).resolve().parents[1]
SPECS = (*sorted((ROOT / "specs").glob("*.fuse")), *sorted((ROOT / "tests/lang/specs").glob("*.fuse")))
# Not all: a key taken out of a list is a sound list, and the mistake stands where the key is used.
NEAR_BOUND, FEW_BOUND = 0.995, 0.9
FATES = ("told", "same", "other", "silent")

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
    """What an edit adds: `near` when a mark is at most a line away; `fate` says how a case ended.

    told, same, other or silent, or an exception.
    """

    edit: Edit
    new: list[Diagnostic]
    near: bool
    fate: str

    @property
    def failed(self) -> bool:
        return self.fate not in ("told", "same", "other")


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


class Front:
    """The front end at one spec, which edits of it are compared with."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._document, self._memory = Document("spec.fuse", text), Memory()
        found = self._memory.check(self._document.parsed, facts).problems
        self._said = Counter((problem.code, problem.title()) for problem in found)
        self._tree = tree.dump(self._document.declarations)

    def tell(self, edit: Edit) -> Told:
        """Checks the text with one edit."""
        try:
            self._document.edit(edit.text)
            found = self._memory.branch().check(self._document.parsed, facts).problems
            new = self._added(found)
            line = edit.text.count("\n", 0, edit.at) + 1
            near = any(abs(mark.span.position.line - line) <= 1 for p in new for mark in p.marks())
            return Told(edit, new, near, "told" if new else self._fate(edit.text))
        except Exception as error:
            return Told(edit, [], False, repr(error))
        finally:
            self._document.edit(self.text)

    def _added(self, found: tuple[Diagnostic, ...]) -> list[Diagnostic]:
        known = self._said.copy()
        new: list[Diagnostic] = []
        for problem in found:
            key = (problem.code, problem.title())
            known[key] -= 1
            if known[key] < 0 and problem.level != "hint":
                new.append(problem)
        return new

    def _fate(self, text: str) -> str:
        if not is_spec(text):
            return "silent"
        return "same" if tree.dump(self._document.declarations) == self._tree else "other"


@cache
def reference() -> tuple[Lark, dict[str, str]]:
    """Lark's own parser of whole files, and its name for each kind of word."""

    class NoLexer(Lexer):
        """Words are cut already."""

        def __init__(self, conf: Any) -> None: ...

        def lex(self, lexer_state: Any, parser_state: Any) -> Iterator[Token]:
            return iter(())

    grammar = f"spec: decl*\n{GRAMMAR.read_text(encoding='utf-8')}"
    parser = Lark(grammar, parser="lalr", lexer=NoLexer, start="spec")
    names = {str(t.pattern.value): t.name for t in parser.terminals if isinstance(t.pattern, PatternStr)}
    return parser, names


def is_spec(text: str) -> bool:
    """Whether a text is in the language, as far as its grammar says."""
    source = Source("spec.fuse", text)
    found = words(source)
    if found.problems:
        return False
    parser, names = reference()
    state = parser.parse_interactive()
    try:
        for token in found.tokens:
            state.feed_token(Token(names.get(token.kind, token.kind), text[token.start : token.end]))
        state.feed_eof()
    except UnexpectedInput:
        return False
    return True


def tell_all(path: Path, every: int) -> list[Told]:
    """Every edit of one spec."""
    front = Front(path.read_text(encoding="utf-8"))
    return [front.tell(edit) for edit in edits(front.text, every)]


def row(name: str, told: list[Told]) -> tuple[str, bool]:
    """The line of the table, and whether the bounds hold."""
    fates = Counter(one.fate if one.fate in FATES else "exception" for one in told)
    wrong = [one for one in told if one.fate == "told"]
    near = sum(one.near for one in wrong) / max(len(wrong), 1)
    few = sum(len(one.new) <= 2 for one in wrong) / max(len(wrong), 1)
    counts = "".join(f"{fates[fate]:>11}" for fate in ("exception", "silent", "same", "other"))
    line = f"{name:<14}{len(told):>8}{counts}{near:>15.2%}{few:>15.2%}"
    return line, not fates["exception"] + fates["silent"] and near >= NEAR_BOUND and few >= FEW_BOUND


def numbers(job: tuple[Path, int]) -> tuple[str, list[tuple[bool, int, str]]]:
    return job[0].stem, [(one.near, len(one.new), one.fate) for one in tell_all(*job)]


def main() -> int:
    every = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    paths = [Path(name) for name in sys.argv[2:]] or SPECS
    heads = "".join(f"{name:>11}" for name in ("exceptions", "silent", "same", "other"))
    print(f"{'spec':<14}{'edits':>8}{heads}{'within 1 line':>15}{'<= 2 messages':>15}")
    fine, total = True, []
    with ProcessPoolExecutor(2) as pool:
        for name, rows in pool.map(numbers, [(path, every) for path in paths]):
            told = [Told(Edit("", "", 0), [None] * n, near, fate) for near, n, fate in rows]
            line, good = row(name, told)
            print(line, flush=True)
            fine, total = fine and good, total + told
    print(row("all", total)[0])
    return int(not fine)


if __name__ == "__main__":
    sys.exit(main())
