"""Selectors: which declarations and nodes of a spec are meant, in one line of text.

    expert[*]                     names, `*` stands for any letters
    model and not source          kinds and verbs by their word; `and` may be left out
    descendants(steps) or check   functions over dependencies

A word means a name where the spec has that name, else a kind, else a verb, else a state. `name:`,
`kind:`, `verb:` and `state:` say which; scripts should, since a spec may declare any name.
`not` binds tighter than `and`, `and` tighter than `or`; parentheses group.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple, NoReturn, TypeAlias

from fusec.lang.source import Source, Span

FUNCTIONS = {
    "ancestors": "everything that it is made from, to the sources and parameters",
    "descendants": "everything that is made from it, to the checks and outputs",
    "inputs": "what it takes directly",
    "uses": "what takes it directly",
}
ABOUT = ("name", "kind", "verb", "state")
OPERATORS = ("and", "or", "not")

_TOKEN = re.compile(r"""\s*(?:(?P<sign>[()])|(?P<text>"[^"]*"|'[^']*')|(?P<word>[^\s()"']+))""")


MAX_OPENING = 50
"""How many parentheses and `not` a selector may have, and so how deep they stand in each other."""


class BadSelector(Exception):
    """A selector that means nothing; `at` is the part of it that is wrong."""

    def __init__(self, at: Span, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.at, self.what, self.hint = at, what, hint


class Word(NamedTuple):
    """A name, kind, verb or state; `about` is one of `ABOUT`, or empty where the word decides."""

    text: str
    about: str
    at: Span


class Not(NamedTuple):
    of: Selector


class Both(NamedTuple):
    left: Selector
    right: Selector


class Either(NamedTuple):
    left: Selector
    right: Selector


class Along(NamedTuple):
    """One of `FUNCTIONS` of a set."""

    function: str
    of: Selector


Selector: TypeAlias = Word | Not | Both | Either | Along


def parse_selector(text: str) -> Selector:
    """The selector that a text says. Raises `BadSelector`."""
    return _Parser(Source("selector", text)).parse()


class _Token(NamedTuple):
    kind: str
    text: str
    at: Span


class _Parser:
    """Recursive descent over words and parentheses."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.tokens = self._tokens()
        opening = [token.at for token in self.tokens if token.text in ("(", "not") and token.kind != "word"]
        if len(opening) > MAX_OPENING:
            raise BadSelector(opening[MAX_OPENING], f"more than {MAX_OPENING} parentheses and `not`")
        self.next = 0

    def parse(self) -> Selector:
        found = self._either()
        if self._token.kind != "end":
            self._wrong("there is no `(` that this closes")
        return found

    def _tokens(self) -> list[_Token]:
        found, at, end = [], 0, len(self.source.text.rstrip())
        while at < end:
            match = _TOKEN.match(self.source.text, at)
            if match is None:
                start = at + len(self.source.text[at:]) - len(self.source.text[at:].lstrip())
                raise BadSelector(Span(self.source, start, end), "this quote is never closed")
            kind = match.lastgroup or ""
            text = match[kind]
            if kind == "word" and text in OPERATORS:
                kind = "operator"
            found.append(_Token(kind, text, Span(self.source, *match.span(match.lastgroup or ""))))
            at = match.end()
        return [*found, _Token("end", "", Span(self.source, end, end))]

    @property
    def _token(self) -> _Token:
        return self.tokens[self.next]

    def _take(self, text: str) -> bool:
        """Whether the sign or operator `text` stands here; goes past it."""
        here = self._token
        taken = here.kind in ("sign", "operator") and here.text == text
        self.next += taken
        return taken

    def _wrong(self, what: str) -> NoReturn:
        raise BadSelector(self._token.at, what)

    def _either(self) -> Selector:
        found = self._both()
        while self._take("or"):
            found = Either(found, self._both())
        return found

    def _both(self) -> Selector:
        found = self._negated()
        while self._take("and") or self._begins_one():
            found = Both(found, self._negated())
        return found

    def _begins_one(self) -> bool:
        here = self._token
        return here.kind in ("word", "text") or (here.text in ("(", "not") and here.kind != "text")

    def _negated(self) -> Selector:
        return Not(self._negated()) if self._take("not") else self._one()

    def _one(self) -> Selector:
        if self._take("("):
            return self._closed(lambda inside: inside)
        here = self._token
        if here.kind not in ("word", "text"):
            self._wrong("a name, a kind, a verb or a function is wanted here")
        self.next += 1
        if here.kind == "text":
            return Word(here.text[1:-1], "name", here.at)
        if self._token.text == "(" and self._token.kind == "sign" and self._token.at.start == here.at.end:
            if here.text not in FUNCTIONS:
                known = ", ".join(f"{name}()" for name in FUNCTIONS)
                raise BadSelector(here.at, f"there is no function `{here.text}`", f"there are {known}")
            self.next += 1
            return self._closed(lambda inside: Along(here.text, inside))
        about, colon, rest = here.text.partition(":")
        return Word(rest, about, here.at) if colon and about in ABOUT else Word(here.text, "", here.at)

    def _closed(self, made: Callable[[Selector], Selector]) -> Selector:
        inside = self._either()
        if not self._take(")"):
            self._wrong("`)` is missing")
        return made(inside)
