"""What each word of a spec is, for editors that colour by meaning: verbs, methods, columns, names by kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import TypeAlias
from weakref import WeakKeyDictionary

from lsprotocol import types as lsp

from fusec.cli.lsp.convert import units
from fusec.cli.lsp.document import Document, Piece
from fusec.cli.lsp.index import children, declared, occurrences
from fusec.cli.lsp.outline import kind_of
from fusec.lang import tree
from fusec.lang.lexer import DECLARATIONS, RESERVED, Token, words
from fusec.lang.source import Span

KINDS = {
    "keyword": "keyword",
    "verb": "function",
    "method": "method",
    "slot": "property",
    "column": "enumMember",
    "quantity": "number",
    "variable": "variable",
    "model": "class",
    "delta": "class",
    "data": "struct",
    "tokenizer": "interface",
    "report": "event",
    "target": "type",
    "param": "parameter",
    "let": "variable",
    "use": "namespace",
    "extend": "namespace",
}
"""What a word is, and the type that the protocol has for it."""

Word: TypeAlias = tuple[int, int, int, int]
"""Line in its piece, column, length and number of the type."""

TYPES = tuple(dict.fromkeys(KINDS.values()))
LEGEND = lsp.SemanticTokensLegend(TYPES, ())


class Colouring:
    """The words of one document; what an edit leaves alone is not looked at again."""

    def __init__(self) -> None:
        self._kinds: dict[str, str] = {}
        self._known: WeakKeyDictionary[Piece, list[Word]] = WeakKeyDictionary()

    def tokens(self, document: Document) -> list[int]:
        """Five numbers a word, as the protocol packs them: lines and columns count from the word before."""
        kinds = {name: kind_of(declaration) for name, declaration in declared(document).items()}
        if kinds != self._kinds:
            self._kinds, self._known = kinds, WeakKeyDictionary()
        packed: list[int] = []
        line = column = 0
        for piece in document.pieces:
            if piece not in self._known:
                self._known[piece] = [_placed(piece, *word) for word in _words(document, piece, kinds)]
            for row, place, length, kind in self._known[piece]:
                row += piece.before
                packed += [row - line, place - column if row == line else place, length, kind, 0]
                line, column = row, place
        return packed


def _placed(piece: Piece, start: int, end: int, kind: str) -> Word:
    line, column = piece.position(start)
    place = units(piece.text[start - column + 1 : start])
    return line - 1 - piece.before, place, units(piece.text[start:end]), _NUMBERS[kind]


_NUMBERS = {kind: TYPES.index(type_) for kind, type_ in KINDS.items()}


def _words(document: Document, piece: Piece, kinds: Mapping[str, str]) -> Iterator[tuple[int, int, str]]:
    """Start, end and kind of each word of a piece that has one."""
    meanings = _meanings(document, piece, kinds)
    nothing = Token("", 0, 0)
    for token, after in pairwise([*words(piece).tokens, nothing]):
        if token.kind == "STRING":
            inside = sorted(start for start in meanings if token.start < start < token.end)
            yield from ((start, *meanings[start]) for start in inside)
        elif token.start in meanings:
            yield (token.start, *meanings[token.start])
        elif kind := _kind(token, piece.text[token.start : token.end], after):
            yield token.start, token.end, kind


def _kind(token: Token, text: str, after: Token) -> str:
    """What a word is by its form alone, which is all there is where the text does not parse."""
    match token.kind:
        case "COLUMN":
            return "column"
        case "NUMBER" | "QUANTITY":
            return "quantity"
        case "NAME":
            return {"{": "verb", "(": "method", ":": "slot"}.get(after.kind, "")
    return "keyword" if text in RESERVED | DECLARATIONS else ""


def _meanings(document: Document, piece: Piece, kinds: Mapping[str, str]) -> dict[int, tuple[int, str]]:
    """What the words of a piece are by the tree: end and kind by start."""
    found: dict[int, tuple[int, str]] = {}

    def put(span: Span, kind: str) -> None:
        found[span.start] = span.end, kind

    for declaration in document.declarations_in(piece):
        for name in occurrences(declaration):
            if name.owner is not None:
                put(name.span, "variable")
            elif not name.alias and name.name in kinds:
                put(name.span, kinds[name.name])
        for node in _nodes(declaration):
            if isinstance(node, (tree.Step, tree.Stage)):
                put(_last(node.verb), "verb")
            elif isinstance(node, tree.Call):
                put(_last(node.callee), "method")
            elif isinstance(node, (tree.Slot, tree.Arg)) and node.name is not None:
                put(node.name.span, "slot")
    return found


def _last(word: tree.Expr) -> Span:
    return word.name.span if isinstance(word, tree.Field) else word.span


def _nodes(node: tree.Node) -> Iterator[tree.Node]:
    yield node
    for child in children(node):
        yield from _nodes(child)
