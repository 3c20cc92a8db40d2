"""The layout of `fusec fmt` as edits: of a whole text, or of the declarations that a range touches."""

from __future__ import annotations

from lsprotocol import types as lsp

from fusec.cli.lsp.convert import position, whole
from fusec.cli.lsp.document import Document, Piece
from fusec.lang.format import DoesNotParse, format_source


def format_all(document: Document) -> list[lsp.TextEdit] | None:
    """One edit of the whole text; nothing where it does not parse, as its problems already say."""
    formatted = _formatted(document.text)
    if formatted is None or formatted == document.text:
        return None if formatted is None else []
    return [lsp.TextEdit(whole(document), formatted)]


def format_range(document: Document, start: int, end: int) -> list[lsp.TextEdit]:
    """One edit for each declaration between two offsets that has another layout and parses."""
    edits = []
    for piece in document.pieces:
        if piece.start < end and start < piece.start + len(piece.text) and (edit := _edit(piece)):
            edits.append(edit)
    return edits


def _edit(piece: Piece) -> lsp.TextEdit | None:
    """The blank lines behind a declaration belong to what comes after it, and stay."""
    text = piece.text.rstrip()
    formatted = _formatted(text)
    if formatted is None or formatted.rstrip() == text:
        return None
    return lsp.TextEdit(lsp.Range(position(piece, 0), position(piece, len(text))), formatted.rstrip())


def _formatted(text: str) -> str | None:
    try:
        return format_source(text)
    except DoesNotParse:
        return None
