"""Between places of fusec, counted in characters, and places of the protocol, counted in UTF-16 units."""

from __future__ import annotations

from bisect import bisect_right

from lsprotocol import types as lsp

from fusec.cli.lsp.document import Document
from fusec.lang.source import Source, Span


def units(text: str) -> int:
    """The length of `text` in UTF-16 code units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def position(source: Source, offset: int) -> lsp.Position:
    line, column = source.position(offset)
    return lsp.Position(line - 1, units(source.text[offset - column + 1 : offset]))


def range_of(span: Span) -> lsp.Range:
    return lsp.Range(position(span.source, span.start), position(span.source, span.end))


def offset_of(document: Document, place: lsp.Position) -> int:
    """The offset in the file; a place behind the end of its line is that end."""
    pieces = document.pieces
    piece = pieces[bisect_right(pieces, place.line, key=lambda piece: piece.before) - 1]
    if place.line > piece.before + piece.lines:
        return len(document.text)
    start = piece.line_start(place.line + 1)
    line = piece.line(place.line + 1)
    if line.isascii():
        column = min(place.character, len(line))
    else:
        data = line.encode("utf-16-le", "surrogatepass")[: 2 * place.character]
        column = len(data.decode("utf-16-le", "ignore"))
    return piece.start + start + column


def whole(document: Document) -> lsp.Range:
    last = document.pieces[-1]
    return lsp.Range(lsp.Position(0, 0), position(last, len(last.text)))
