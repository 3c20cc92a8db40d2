"""What a string literal says: escapes, interpolations, and the indentation that triple quotes drop."""

from __future__ import annotations

import re
from collections.abc import Callable

from fusec.lang.codes.fuse007_string import BadString
from fusec.lang.diagnostics import Diagnostic, Edit, Fix, Grade
from fusec.lang.source import Source, Span
from fusec.lang.tree import Expr, Text

# Parses source.text[start:end] as one expression.
ReadExpr = Callable[[int, int], tuple[Expr | None, tuple[Diagnostic, ...]]]

# A string with this many mistakes is not read further, nor one with more interpolations.
_MAX_PROBLEMS = 10
_MAX_PARTS = 1000
_QUOTE_OR_BRACE = re.compile(r"[\"'{}]")

_SIMPLE = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "'": "'", "\\": "\\"}
# Escapes of other languages, or of ours with digits missing: a backslash before these was meant as one.
_ESCAPES_ELSEWHERE = frozenset("abfvxuUN01234567")
_SHOWN = str.maketrans(
    {"\n": "\\n", "\t": "\\t", "\r": "\\r", '"': '\\"', "\\": "\\\\", "{": "{{", "}": "}}"}
)
_CODE = re.compile(r"u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})")
_SPECIAL = re.compile(r"[\\{}\n]|\r(?=\n)")
_BLANK_LINE = re.compile(r"[ \t]*\r?$", re.MULTILINE)
_INDENT = re.compile(r"^[ \t]*(?=[^ \t\r\n])", re.MULTILINE)


def read_string(source: Source, start: int, end: int, expr: ReadExpr) -> tuple[Text, tuple[Diagnostic, ...]]:
    """The `Text` of the string literal at `start:end`, and what is wrong inside it."""
    first, last, quote = _body(source.text, start, end)
    span = Span(source, start, end)
    if quote == "'":
        return Text(span=span, parts=_whole(source.text[first:last])), ()
    reader = _Reader(source, first, last, len(quote) == 3, expr)
    if quote == "'''":
        return Text(span=span, parts=_whole(reader.raw())), ()
    return Text(span=span, parts=reader.parts()), tuple(reader.problems)


def quote(text: str) -> str:
    """A literal that reads as exactly `text`."""
    shown = text.translate(_SHOWN)
    return f'"{shown}"' if shown.isprintable() else f'"{"".join(map(_printable, shown))}"'


def _printable(char: str) -> str:
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _whole(text: str) -> tuple[str, ...]:
    return (text,) if text else ()


def _body(text: str, start: int, end: int) -> tuple[int, int, str]:
    """Where the text between the quotes begins and ends; the end may lack its quote."""
    literal = text[start:end]
    for quote in ('"""', "'''", '"', "'"):
        if literal.startswith(quote):
            closed = len(literal) >= 2 * len(quote) and literal.endswith(quote)
            if quote[0] == '"' and closed:
                inside = literal[: -len(quote)]
                closed = (len(inside) - len(inside.rstrip("\\"))) % 2 == 0
            return start + len(quote), end - len(quote) if closed else end, quote
    closed = len(literal) > 1 and not literal[-1].isalnum() and literal[-1] in "\"'“”‘’„‟«»＂＇"
    return start + 1, end - closed, '"'


class _Reader:
    def __init__(self, source: Source, first: int, last: int, long: bool, expr: ReadExpr) -> None:
        self.source, self.text, self.at, self.last, self.expr = source, source.text, first, last, expr
        self.long = long
        self.margin = 0
        self.literal: list[str] = []
        self.found: list[str | Expr] = []
        self.problems: list[Diagnostic] = []
        if long:
            self._measure()

    def _measure(self) -> None:
        """Finds the common indentation, and drops the line end after the opening quotes."""
        body = self.text[self.at : self.last]
        first_line, newline, rest = body.partition("\n")
        indents = [len(indent) for indent in _INDENT.findall(rest)]
        self.margin = min(indents, default=0)
        if newline and not first_line.strip():
            self.at += len(first_line) + 1
            self._skip_margin()

    def _skip_margin(self) -> None:
        blank = _BLANK_LINE.match(self.text, self.at, self.last)
        line_end = self.text.find("\n", self.at, self.last)
        if blank and blank.end() == (self.last if line_end < 0 else line_end):
            self.at = blank.end()
        else:
            self.at += self.margin

    def raw(self) -> str:
        while self.at < self.last:
            line_end = self.text.find("\n", self.at, self.last)
            if line_end < 0:
                self.literal.append(self.text[self.at : self.last])
                break
            self.literal.append(self.text[self.at : line_end].removesuffix("\r") + "\n")
            self.at = line_end + 1
            self._skip_margin()
        return "".join(self.literal)

    def parts(self) -> tuple[str | Expr, ...]:
        while self.at < self.last and len(self.problems) < _MAX_PROBLEMS:
            special = _SPECIAL.search(self.text, self.at, self.last)
            stop = special.start() if special else self.last
            self.literal.append(self.text[self.at : stop])
            self.at = stop
            if special:
                self._special(special[0])
        self.literal.append(self.text[self.at : self.last])
        self._flush()
        return tuple(self.found)

    def _flush(self) -> None:
        if text := "".join(self.literal):
            self.found.append(text)
        self.literal.clear()

    def _special(self, char: str) -> None:
        if char == "\\":
            self._escape()
        elif char == "\r":
            self.at += 1
        elif char == "\n":
            self.literal.append("\n")
            self.at += 1
            if self.long:
                self._skip_margin()
        elif self.text.startswith(char, self.at + 1, self.last):
            self.literal.append(char)
            self.at += 2
        elif char == "}":
            self._bad(self.at, self.at + 1, "this `}` closes nothing", "}}")
            self.literal.append("}")
            self.at += 1
        else:
            self._interpolation()

    def _bad(
        self, start: int, end: int, says: str, instead: str = "", note: str = "", grade: Grade = "maybe"
    ) -> None:
        span = Span(self.source, start, end)
        fix = Fix(f"write `{instead}`", (Edit(span, instead),), grade) if instead else None
        self.problems.append(BadString(span, says, note, fix))

    def _escape(self) -> None:
        start = self.at
        char = self.text[start + 1 : min(start + 2, self.last)]
        code = _CODE.match(self.text, start + 1, self.last)
        if char in _SIMPLE:
            self.literal.append(_SIMPLE[char])
            self.at += 2
        elif code and int(code[1] or code[2], 16) <= 0x10FFFF:
            self.literal.append(chr(int(code[1] or code[2], 16)))
            self.at = code.end()
        else:
            end = start + 1 + len(char)
            says = f"`\\{char}` is not an escape"
            grade: Grade = "maybe" if char in _ESCAPES_ELSEWHERE else "safe"
            self._bad(start, end, says, f"\\\\{char}", "a backslash itself is `\\\\`", grade)
            self.literal.append(self.text[start:end])
            self.at = end

    def _interpolation(self) -> None:
        start = self.at
        stop = self._closing(start + 1)
        if stop is None:
            self._bad(start, start + 1, "this `{` is never closed", "{{", "a brace itself is `{{`")
            self.literal.append("{")
            self.at += 1
            return
        self.at = stop + 1
        if len(self.found) > 2 * _MAX_PARTS:
            self._bad(start, stop + 1, f"a string has at most {_MAX_PARTS} interpolations")
            self.at = self.last
            return
        if not self.text[start + 1 : stop].strip():
            says = "nothing stands between these braces"
            self._bad(start, stop + 1, says, "{{}}", "a brace itself is `{{`")
            return
        value, problems = self.expr(start + 1, stop)
        if value is None:
            self._bad(
                start, stop + 1, "this is not an expression", note="a brace itself is `{{`; `'…'` is raw"
            )
            return
        self.problems.extend(problems)
        self._flush()
        self.found.append(value)

    def _closing(self, at: int) -> int | None:
        """The offset of the `}` that ends an interpolation whose inside begins at `at`."""
        depth = 1
        while found := _QUOTE_OR_BRACE.search(self.text, at, self.last):
            at, char = found.start(), found[0]
            if char in "\"'":
                closing = self.text.find(char, at + 1, self.last)
                at = closing if closing >= 0 else at
            elif char == "{":
                depth += 1
            elif char == "}":
                depth -= 1
                if depth == 0:
                    return at
            at += 1
        return None
