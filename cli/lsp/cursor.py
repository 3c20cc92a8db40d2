"""Where the cursor stands, read from the words before it: works on text that does not parse yet."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise

from fusec.cli.lsp.document import Piece
from fusec.lang.codes.fuse001_unclosed import Unclosed
from fusec.lang.lexer import ENDS_VALUE, Token, words
from fusec.lang.pieces import CLOSERS
from fusec.lang.source import Source

_AFTER_NUMBER = re.compile(r"(?<![\w.])[0-9][0-9_]*(?:\.[0-9]+)?[kMBT]?[ ]([A-Za-z][\w/-]*)?$")
_WORD = re.compile(r"[A-Za-z_]\w*$")


@dataclass
class Bracket:
    """An open bracket: what stands before it, and the slot or argument that is being written in it."""

    opener: str
    owner: str = ""
    owner_kind: str = ""
    piped: bool = False
    slot: str | None = None
    used: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Cursor:
    """`before` is the kind of the word before the one being written, `path` the names before a dot."""

    prefix: str
    line_start: bool
    before: str
    open: tuple[Bracket, ...]
    path: tuple[str, ...] = ()
    after_number: bool = False
    key_of: str = ""
    path_of_use: bool = False
    keyword: str = ""
    nothing: bool = False

    @property
    def block(self) -> Bracket | None:
        """The innermost block or argument list."""
        return next((bracket for bracket in reversed(self.open) if bracket.opener != "["), None)


def read_cursor(piece: Piece, at: int) -> Cursor:
    """What is being written at offset `at` of a piece."""
    text = piece.text[:at]
    source = Source("", text)
    tokens, comments, problems = words(source)
    line = text[text.rfind("\n") + 1 :]
    if comments and comments[-1].end == at and comments[-1].start < at:
        return Cursor("", False, "", (), nothing=True)
    if any(isinstance(p, Unclosed) and p.marks()[0].span.start == tokens[-1].start for p in problems):
        return _in_string(source, tokens, at)
    prefix = found[0] if (found := _WORD.search(text)) else ""
    if number := _AFTER_NUMBER.search(line):
        prefix = number[1] or ""
        return Cursor(prefix, False, "NUMBER", _open(source, tokens[:-1]), after_number=True)
    if (tokens and tokens[-1].end == at and tokens[-1].kind in ("NAME", "KIND", "COLUMN")) or prefix:
        last = tokens.pop()
        if last.kind == "COLUMN":
            tokens.append(Token(".", last.start, last.start + 1))
    before = tokens[-1].kind if tokens else ""
    path: tuple[str, ...] = ()
    if before == "." and len(tokens) > 1 and tokens[-2].kind in ENDS_VALUE:
        path = _path(source, tokens[:-1])
    keyword = text[tokens[0].start : tokens[0].end] if tokens else ""
    return Cursor(prefix, line == prefix, before, _open(source, tokens), path, keyword=keyword)


def _in_string(source: Source, tokens: list[Token], at: int) -> Cursor:
    """Inside a string that is not closed: a key, an expression after `{`, or the path of a `use`."""
    string = tokens.pop()
    text = source.text[string.start : at]
    inside = text.rfind("{")
    if inside > text.rfind("}"):
        prefix = found[0] if (found := _WORD.search(text)) else ""
        return Cursor(prefix, False, "{", ())
    if len(tokens) > 1 and tokens[-1].kind == "[" and tokens[-2].kind == "NAME":
        family = source.text[tokens[-2].start : tokens[-2].end]
        return Cursor(text[1:], False, "[", (), key_of=family)
    if len(tokens) == 1 and source.text[tokens[0].start : tokens[0].end] == "use":
        return Cursor(text[1:], False, "", (), path_of_use=True)
    return Cursor("", False, "", (), nothing=True)


def _path(source: Source, tokens: list[Token]) -> tuple[str, ...]:
    """`after`, `average` before the dot of `after.average.`; the keys of indices are left out."""
    names: list[str] = []
    at = len(tokens) - 1
    while at >= 0:
        if tokens[at].kind == "]":
            depth = 0
            while at >= 0:
                depth += (tokens[at].kind == "]") - (tokens[at].kind == "[")
                at -= 1
                if depth == 0:
                    break
            continue
        if tokens[at].kind != "NAME":
            break
        names.insert(0, source.text[tokens[at].start : tokens[at].end])
        if at == 0 or tokens[at - 1].kind != ".":
            break
        at -= 2
    return tuple(names)


def _open(source: Source, tokens: list[Token]) -> tuple[Bracket, ...]:
    """The brackets that are open after `tokens`, the innermost last."""
    stack: list[Bracket] = []
    for number, (token, after) in enumerate(pairwise([*tokens, Token("", 0, 0)])):
        if token.kind in CLOSERS:
            before = tokens[number - 1] if number else Token("", 0, 0)
            piped = number > 1 and tokens[number - 2].kind == "|>"
            owner = source.text[before.start : before.end]
            stack.append(Bracket(token.kind, owner, before.kind, piped))
        elif token.kind in CLOSERS.values():
            if stack:
                stack.pop()
        elif stack and token.kind == "NAME" and after.kind == ":" and stack[-1].opener != "[":
            stack[-1].slot = source.text[token.start : token.end]
            stack[-1].used.add(stack[-1].slot)
        elif stack and token.kind == ",":
            stack[-1].slot = None
    return tuple(stack)


def expects_slot(cursor: Cursor) -> bool:
    """Whether a slot or argument name may begin here: nothing of a value stands before."""
    block = cursor.open[-1] if cursor.open else None
    if block is None or block.opener == "[":
        return False
    if cursor.before in ("{", "(", ","):
        return True
    return block.opener == "{" and cursor.before in ENDS_VALUE
