"""What can be folded: brackets that span lines, pipelines, and runs of comments."""

from __future__ import annotations

from collections.abc import Iterator

from lsprotocol import types as lsp

from fusec.cli.lsp.document import Document, Piece
from fusec.lang import tree
from fusec.lang.lexer import words
from fusec.lang.pieces import CLOSERS


def folding(document: Document) -> list[lsp.FoldingRange]:
    """Lines count from 0; the last one of a bracket, with its closer, stays to be seen."""
    found: dict[int, lsp.FoldingRange] = {}
    for piece in document.pieces:
        for first, last, kind in _folds(document, piece):
            if last > first:
                found.setdefault(first, lsp.FoldingRange(first - 1, last - 1, kind=kind))
    return [found[first] for first in sorted(found)]


def _folds(document: Document, piece: Piece) -> Iterator[tuple[int, int, lsp.FoldingRangeKind | None]]:
    """First and last line of each part of a piece, the widest that begins on a line first."""
    tokens, comments, _ = words(piece)

    def line(offset: int) -> int:
        return piece.position(offset).line

    for declaration in document.declarations_in(piece):
        value = getattr(declaration, "value", None)
        if isinstance(value, (tree.Pipeline, tree.From)) and value.stages:
            yield line(declaration.span.start), line(declaration.span.end), None
    stack: list[int] = []
    for token in tokens:
        if token.kind in CLOSERS:
            stack.append(token.start)
        elif token.kind in CLOSERS.values() and stack:
            yield line(stack.pop()), line(token.start) - 1, None
    run: list[int] = []
    for number in [*(line(comment.start) for comment in comments if comment.own_line), 0]:
        if run and number != run[-1] + 1:
            yield run[0], run[-1], lsp.FoldingRangeKind.Comment
            run = []
        run.append(number)
