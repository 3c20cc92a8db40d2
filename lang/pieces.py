"""Cuts a file at its declarations and mends missing brackets, so that one mistake stays where it is."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import NamedTuple

from fusec.lang.codes.fuse001_unclosed import Unclosed
from fusec.lang.codes.fuse002_unexpected import Unexpected
from fusec.lang.codes.fuse003_column import NotAtColumn0
from fusec.lang.diagnostics import Diagnostic, Edit, Fix, Mark, closest
from fusec.lang.lexer import DECLARATIONS, ENDS_VALUE, KINDS, Token
from fusec.lang.source import Source, Span

MAX_DEPTH = 100
"""How deep brackets and expressions may nest: later stages walk trees by recursion."""

CLOSERS = {"(": ")", "[": "]", "{": "}"}
_HEADS = frozenset(
    {"KIND", "EDITION", "USE", "EXTEND", "PARAM", "LET", "BUDGET", "TARGET", "CHECK", "OUTPUT"}
)
_MEANT = {
    "import": "use", "include": "use", "dataset": "data", "datasets": "data", "const": "let", "var": "let",
    "export": "output", "save": "output", "assert": "check", "version": "edition", "parameter": "param",
    "arg": "param", "limit": "budget", "eval": "report", "adapter": "delta", "cluster": "target",
}  # fmt: skip


class Piece(NamedTuple):
    """The tokens of one declaration; `stray` when they do not begin with a keyword."""

    tokens: list[Token]
    stray: bool


def cut(source: Source, tokens: list[Token]) -> tuple[list[Piece], list[Diagnostic]]:
    """The declarations of a file, and what is wrong with where they begin."""
    pieces: list[Piece] = []
    problems: list[Diagnostic] = []
    depth = 0
    for i, token in enumerate(tokens):
        before = tokens[i - 1] if i else None
        if token.kind in _HEADS:
            pieces.append(Piece([token], False))
            depth = 0
            continue
        if token.kind == "NAME":
            if _declares(source, tokens, i, depth):
                keyword = Span(source, token.start, token.end)
                problems.append(NotAtColumn0(keyword))
                kind = "KIND" if keyword.text in KINDS else keyword.text.upper()
                pieces.append(Piece([Token(kind, token.start, token.end)], False))
                depth = 0
                continue
            if depth == 0 and before and before.kind in ENDS_VALUE and _at_column_0(source, token):
                pieces.append(Piece([token], True))
                continue
        depth += (token.kind in CLOSERS) - (token.kind in CLOSERS.values() and depth > 0)
        if not pieces:
            pieces.append(Piece([], True))
        pieces[-1].tokens.append(token)
    return pieces, problems


def _at_column_0(source: Source, token: Token) -> bool:
    return token.start == 0 or source.text[token.start - 1] == "\n"


def _first_on_line(source: Source, before: Token | None, token: Token) -> bool:
    return before is None or "\n" in source.text[before.end : token.start]


# What follows a keyword, and what follows that, where a declaration is meant and not a slot or a value.
_OPENINGS: dict[str, tuple[str, set[str] | None]] = {
    "edition": ("NUMBER", None), "budget": ("{", None),
    "use": ("STRING", {"as", "("}), "extend": ("STRING", {"as"}),
    "param": ("NAME", {":", "="}), "let": ("NAME", {"=", ":"}), "target": ("NAME", {"="}),
    "check": ("NAME", {".", "CMP"}), "output": ("NAME", {"to", "."}),
    **{kind: ("NAME", {"=", "from", ":"}) for kind in KINDS},
}  # fmt: skip


def _declares(source: Source, tokens: list[Token], i: int, depth: int) -> bool:
    """Whether a keyword away from column 0 was still meant to begin a declaration."""
    before = tokens[i - 1] if i else None
    token, after, second = (*tokens[i : i + 3], None, None)[:3]
    assert token is not None
    word = source.text[token.start : token.end]
    if word not in DECLARATIONS or after is None or "\n" in source.text[token.end : after.start]:
        return False
    first_fits, second_fits = _OPENINGS[word]
    if after.kind != first_fits:
        return False
    if second_fits is not None and (second is None or second.kind not in second_fits):
        return False
    if before is None:
        return True
    return before.kind in ENDS_VALUE and (depth == 0 or _first_on_line(source, before, token))


_MARGIN = "only declarations begin at the left margin"
FLATTEN = "give the inner parts names of their own with `let`"


def not_a_keyword(source: Source, tokens: list[Token]) -> Unexpected:
    """Says that a declaration begins with `tokens[0]`, which is no keyword."""
    first = Span(source, tokens[0].start, tokens[0].end)
    if tokens[0].kind != "NAME":
        says = f"`{first.text}` begins no declaration"
        return Unexpected(first, says, "a keyword belongs here", _MARGIN)
    if first.text in DECLARATIONS and len(tokens) > 1 and tokens[1].kind == ":":
        colon = Span(source, tokens[1].start, tokens[1].end)
        says = f"`{first.text}` is followed by its content, without a colon"
        return Unexpected(colon, says, fix=Fix("remove the `:`", (Edit(colon, ""),), "safe"))
    word = meant(first.text)
    says = f"`{first.text}` is not a declaration keyword"
    if word is None:
        return Unexpected(first, says, "one of " + ", ".join(sorted(DECLARATIONS)), _MARGIN)
    fix = Fix(f"write `{word}`", (Edit(first, word),), "maybe")
    return Unexpected(first, says, f"closest: `{word}`", fix=fix)


def meant(word: str) -> str | None:
    """The declaration keyword that `word` stands for."""
    return _MEANT.get(word.lower()) or closest(word.lower(), DECLARATIONS)


def balance(source: Source, tokens: list[Token]) -> tuple[list[Token], list[Diagnostic]]:
    """The tokens with every bracket closed and no closer too many; reports each mend.

    A missing closer goes before the next slot when that begins a line outside the bracket by its
    indentation or its kind, else before the closer or the end that shows it missing.
    """
    if deep := _too_many_open(tokens):
        says = f"this nests deeper than {MAX_DEPTH} levels"
        return [], [Unexpected(Span(source, deep.start, deep.end), says, fix=Fix(FLATTEN))]
    partner = _partners(source, tokens)
    brackets = sum(token.kind in CLOSERS or token.kind in CLOSERS.values() for token in tokens)
    if len(partner) == brackets and all(
        CLOSERS[tokens[i].kind] == tokens[j].kind for i, j in partner.items() if i < j
    ):
        return tokens, []
    mended: list[Token] = []
    problems: list[Diagnostic] = []
    open_now: list[int] = []

    def close(at: int | None) -> None:
        opener = tokens[open_now.pop()]
        closer = CLOSERS[opener.kind]
        last = mended[-1].end
        place, text = _place(source, opener, last)
        following, note = _following(source, tokens, opener, at)
        span = Span(source, opener.start, opener.end)
        problems.append(Unclosed(span, following, note, place, text))
        mended.append(Token(closer, last, last))

    for i, token in enumerate(tokens):
        while open_now and open_now[-1] not in partner and _ends_before(source, tokens, open_now, i):
            close(i)
        if token.kind in CLOSERS:
            open_now.append(i)
        elif token.kind in CLOSERS.values():
            if i not in partner:
                problems.append(_too_many(source, tokens, i))
                continue
            while open_now and open_now[-1] != partner[i]:
                close(i)
            opener = tokens[open_now.pop()]
            if CLOSERS[opener.kind] != token.kind:
                problems.append(_other_closer(source, opener, token))
                token = Token(CLOSERS[opener.kind], token.start, token.end)
        mended.append(token)
    while open_now:
        close(None)
    return mended, problems


def _too_many_open(tokens: list[Token]) -> Token | None:
    """The bracket with which more than `MAX_DEPTH` wait for their closer, or closers for their opener."""
    waiting: list[str] = []
    wrong = 0
    for token in tokens:
        if token.kind in CLOSERS:
            waiting.append(CLOSERS[token.kind])
        elif token.kind in CLOSERS.values():
            if waiting and waiting[-1] == token.kind:
                waiting.pop()
            else:
                wrong += 1
        if len(waiting) > MAX_DEPTH or wrong > MAX_DEPTH:
            return token
    return None


def _partners(source: Source, tokens: list[Token]) -> dict[int, int]:
    """Each closed opener and its closer, both ways.

    A closer of the wrong kind counts as the partner of an opener that would stay open without it.
    """
    partner: dict[int, int] = {}
    stack: list[int] = []
    extra: list[tuple[int, int | None]] = []
    unclosed: list[tuple[int, int]] = []
    kinds = Counter(token.kind for token in tokens)
    surplus = {closer for opener, closer in CLOSERS.items() if kinds[closer] > kinds[opener]}
    for i, token in enumerate(tokens):
        if token.kind in CLOSERS:
            stack.append(i)
        elif token.kind in CLOSERS.values():
            fitting = [at for at in stack if CLOSERS[tokens[at].kind] == token.kind]
            outermost = _at_column_0(source, token)
            inner = stack[-1] if stack else None
            too_many = token.kind in surplus and not outermost and fitting[-1:] != [inner]
            if not fitting or (too_many and _closes_later(tokens, stack[-1], i)):
                extra.append((i, inner))
                continue
            at = fitting[0] if outermost else fitting[-1]
            depth = stack.index(at)
            unclosed += [(opener, i) for opener in stack[depth + 1 :]]
            del stack[depth:]
            partner[at], partner[i] = i, at
    unclosed += [(opener, len(tokens)) for opener in stack]
    for opener, end in unclosed:
        wrong = next((i for i, top in extra if top == opener and i < end), None)
        if wrong is not None:
            partner[opener], partner[wrong] = wrong, opener
    return partner


def _closes_later(tokens: list[Token], opener: int, i: int) -> bool:
    """Whether the first bracket that closes nothing after token `i` is the one `opener` waits for."""
    depth = 0
    for token in tokens[i + 1 :]:
        if token.kind in CLOSERS:
            depth += 1
        elif token.kind in CLOSERS.values():
            if depth == 0:
                return token.kind == CLOSERS[tokens[opener].kind]
            depth -= 1
    return False


def _indent(source: Source, token: Token) -> int:
    line = source.text.rfind("\n", 0, token.start) + 1
    return len(source.text[line : token.start]) - len(source.text[line : token.start].lstrip())


def _ends_before(source: Source, tokens: list[Token], open_now: list[int], i: int) -> bool:
    """Whether the unclosed bracket on top ends before token `i`: a slot or stage of something outside it."""
    opener, token = tokens[open_now[-1]], tokens[i]
    if not _first_on_line(source, tokens[i - 1], token) or _indent(source, token) > _indent(source, opener):
        inside = opener.kind != "{" and len(open_now) > 1 and tokens[open_now[-2]].kind == "{"
        laid_out = _first_on_line(source, opener, tokens[open_now[-1] + 1])
        if laid_out or not inside or not _first_on_line(source, tokens[i - 1], token):
            return False
    begins_slot = token.kind == "NAME" and i + 1 < len(tokens) and tokens[i + 1].kind == ":"
    return (begins_slot and len(open_now) > 1) or token.kind == "|>"


def _place(source: Source, opener: Token, last: int) -> tuple[int, str]:
    """Where the missing closer is best written, and as what text."""
    closer = CLOSERS[opener.kind]
    if closer != "}":
        return last, closer
    if "\n" not in source.text[opener.start : last]:
        return last, " }"
    line_end = source.text.find("\n", last)
    return (len(source.text) if line_end < 0 else line_end), "\n" + " " * _indent(source, opener) + closer


def _following(source: Source, tokens: list[Token], opener: Token, at: int | None) -> tuple[Span | None, str]:
    if at is None:
        last, first = Span(source, tokens[-1].start, tokens[-1].end), source.position(opener.start).line
        return (last, "the declaration ends here") if last.position.line > first + 1 else (None, "")
    span = Span(source, tokens[at].start, tokens[at].end)
    note = {"NAME": "this starts the next slot", "|>": "this starts the next stage"}
    return span, note.get(tokens[at].kind, f"`{span.text}` stands where its end was expected")


def _unopened(source: Source, tokens: list[Token], i: int) -> Mark | None:
    """Where the opener of closer `i` is looked for, when that begins a line.

    Brackets are laid out so that the line which opens has the indentation of the one which closes.
    """
    if i == 0 or not _first_on_line(source, tokens[i - 1], tokens[i]):
        return None
    margin = _indent(source, tokens[i])
    for before, after in pairwise(reversed(tokens[: i + 1])):
        if _first_on_line(source, after, before) and _indent(source, after) == margin:
            opener = next(opener for opener, closer in CLOSERS.items() if closer == tokens[i].kind)
            return Mark(Span(source, after.start, after.end), f"no `{opener}` after this")
    return None


def _too_many(source: Source, tokens: list[Token], i: int) -> Unexpected:
    token = tokens[i]
    other = _unopened(source, tokens, i)
    span = Span(source, token.start, token.end)
    fix = Fix(f"remove `{span.text}`", (Edit(span, ""),), "maybe")
    return Unexpected(span, f"`{span.text}` closes nothing", other=other, fix=fix)


def _other_closer(source: Source, opener: Token, token: Token) -> Unexpected:
    span = Span(source, token.start, token.end)
    first = Span(source, opener.start, opener.end)
    closer = CLOSERS[opener.kind]
    fix = Fix(f"write `{closer}`", (Edit(span, closer),), "maybe")
    says = f"`{first.text}` is closed by `{span.text}`"
    return Unexpected(span, says, other=Mark(first, "opened here"), fix=fix)
