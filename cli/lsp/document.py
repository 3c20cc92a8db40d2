"""One open spec as pieces that know their place, so that an edit costs what it touches.

A piece is a run of whole declarations, and its tree has spans into the piece and not into the file: when
text above it grows, the piece moves and its tree stays as it is. `Piece` answers positions of the file.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from itertools import accumulate

from fusec.lang.codes.fuse001_unclosed import Unclosed
from fusec.lang.lexer import DECLARATIONS, KINDS, MAX_PROBLEMS, words
from fusec.lang.parse import MAX_TEXT, Parsed, edition_problems, parse_part
from fusec.lang.source import Position, Source, Span
from fusec.lang.tree import Declaration, File

# A slot may bear these names at column 0, as long as its colon follows.
_SLOT_TOO = (*KINDS, "budget", "target", "check", "output")
_KEYWORD = re.compile(
    rf"^(?:(?:{'|'.join(sorted(DECLARATIONS - {*_SLOT_TOO}))})\b|(?:{'|'.join(_SLOT_TOO)})\b(?!\s*:))",
    re.MULTILINE,
)
_LONG_QUOTES = ('"""', "'''")


class Piece(Source):
    """Some whole lines of a file; `before` counts the lines above it and `start` the characters."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(name, text)
        self.before = self.start = 0
        self.lines = text.count("\n")

    def position(self, offset: int) -> Position:
        line, column = super().position(offset)
        return Position(line + self.before, column)

    def line(self, number: int) -> str:
        return super().line(number - self.before)

    def line_start(self, number: int) -> int:
        return super().line_start(number - self.before)


class Document:
    """The text of one open file, parsed; `edit` parses again only the pieces whose text is new."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._known: dict[tuple[str, int], tuple[Piece, Parsed]] = {}
        self._last: dict[tuple[str, int], tuple[Piece, Parsed]] = {}
        self.edit(text)

    def edit(self, text: str) -> None:
        """Take another text; one that is too long or too wrong is left to the parser as a whole."""
        self._read(text, cut(text) if len(text) <= MAX_TEXT else [text])
        if len(self.parsed.problems) > MAX_PROBLEMS:
            self._read(text, [text])

    def _read(self, text: str, texts: list[str]) -> None:
        known: dict[tuple[str, int], tuple[Piece, Parsed]] = {}
        copies: Counter[str] = Counter()
        pieces: list[Piece] = []
        parts: list[Parsed] = []
        start = before = 0
        for part in texts:
            key = (part, copies[part])
            copies[part] += 1
            found = self._known.get(key) or self._last.get(key)
            if found is None:
                piece = Piece(self.name, part)
                found = piece, parse_part(piece)
            known[key] = found
            piece, parsed = found
            piece.start, piece.before = start, before
            start, before = start + len(part), before + piece.lines
            pieces.append(piece)
            parts.append(parsed)
        declarations = tuple(d for part in parts for d in part.file.declarations)
        problems = [problem for part in parts for problem in part.problems]
        problems += edition_problems(pieces[0], declarations)
        self.text, self.pieces = text, tuple(pieces)
        # One more generation is kept, so that an edit that is taken back costs nothing.
        self._known, self._last = known, self._known
        self._declarations = {
            id(piece): part.file.declarations for piece, part in zip(pieces, parts, strict=True)
        }
        self.parsed = Parsed(File(pieces[0], declarations), tuple(problems))

    @property
    def declarations(self) -> tuple[Declaration, ...]:
        return self.parsed.file.declarations

    def span(self, start: int, end: int) -> Span:
        """A span of the piece that offset `start` of the file stands in."""
        piece = self.piece_at(start)
        return Span(piece, start - piece.start, end - piece.start)

    def declarations_at(self, offset: int) -> tuple[Declaration, ...]:
        """The declarations of the piece that offset `offset` of the file stands in."""
        return self.declarations_in(self.piece_at(offset))

    def declarations_in(self, piece: Piece) -> tuple[Declaration, ...]:
        return self._declarations[id(piece)]

    def piece_at(self, offset: int) -> Piece:
        return self.pieces[bisect_right(self.pieces, offset, key=lambda piece: piece.start) - 1]


def cut(text: str) -> list[str]:
    """The text in parts that parse apart as they do together; there is at least one.

    Each begins with the comments above a declaration keyword at column 0. A keyword inside a long string
    begins nothing: a part that ends inside one goes on to the part where that string ends.
    """
    starts = [0, *filter(None, (_above(text, found.start()) for found in _KEYWORD.finditer(text)))]
    parts = [text[a:b] for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]
    if not any(quotes in text for quotes in _LONG_QUOTES):
        return parts
    joined: list[str] = []
    waiting = iter(range(len(parts)))
    for at in waiting:
        part, ends = parts[at], list(accumulate(parts[at + 1 :], initial=""))
        taken = 0
        while (quotes := _open_at_end(part)) and (
            more := next((n for n in range(taken + 1, len(ends)) if quotes in parts[at + n]), None)
        ):
            part, taken = parts[at] + ends[more], more
        joined.append(part)
        for _ in range(taken):
            next(waiting)
    return joined


def _above(text: str, keyword: int) -> int:
    """Where the comments right above a keyword begin, with blank lines between them."""
    start = end = keyword
    while end > 0:
        line = text.rfind("\n", 0, end - 1) + 1
        first = text[line:end].lstrip(" \t\r\n")[:1]
        if first not in ("", "#"):
            break
        start, end = line if first else start, line
    return start


def _open_at_end(part: str) -> str:
    """The long quotes that begin a string which `part` does not end, or nothing."""
    if not any(quotes in part for quotes in _LONG_QUOTES):
        return ""
    found = (p.marks()[0].span.text for p in words(Source("", part)).problems if isinstance(p, Unclosed))
    return next((quotes for quotes in found if quotes in _LONG_QUOTES), "")
