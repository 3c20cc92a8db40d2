"""Words: a text is cut into tokens, each with its place; comments are kept aside.

Never fails: what it cannot read it reports and leaves out, or reads as what was meant. Tokens of fixed
spelling have that spelling as their kind; the others have the terminal of grammar.lark.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from fusec.lang.codes.fuse001_unclosed import Unclosed
from fusec.lang.codes.fuse002_unexpected import Unexpected
from fusec.lang.codes.fuse006_unknown_unit import UnknownUnit
from fusec.lang.codes.fuse008_look_alike import LookAlike
from fusec.lang.diagnostics import Diagnostic, Fix
from fusec.lang.source import Source, Span
from fusec.lang.units import UNITS

KINDS = ("model", "delta", "data", "tokenizer", "report")
STATEMENTS = ("edition", "use", "extend", "param", "let", "budget", "target", "check", "output")
DECLARATIONS = frozenset(KINDS + STATEMENTS)
RESERVED = frozenset(
    ("as", "from", "to", "in", "if", "then", "else", "for", "and", "or", "not", "true", "false")
)

MAX_TOKENS = 100_000
"""How many tokens a spec may have: some 15,000 lines. The lexer stops after one more."""
MAX_PROBLEMS = 200
"""How many mistakes of one text are told; reading stops there, as nobody mends more at a time."""
MAX_NAME = 200
"""How many characters a name may have."""

# A slot may bear the name of a kind even at column 0, as long as its colon follows.
_SLOT_TOO = frozenset((*KINDS, "budget", "target", "check", "output"))


class Token(NamedTuple):
    kind: str
    start: int
    end: int


class Comment(NamedTuple):
    """From its `#` to the end of its line; `own_line` when no token stands before it on that line."""

    start: int
    end: int
    own_line: bool
    doc: bool


class Words(NamedTuple):
    tokens: list[Token]
    comments: list[Comment]
    problems: list[Diagnostic]


_UNIT_NAMES = "|".join(re.escape(name) for name in sorted(UNITS, key=len)[::-1] if name[0] not in "%B")
_DIGITS = r"[0-9][0-9_]*(?:\.[0-9][0-9_]*)?(?:[eE][+-]?[0-9]+)?"
_NUMBER = re.compile(_DIGITS)
_WORD = re.compile(
    rf"""
    (?P<space>[ \r\n]+)
  | (?P<name>[^\W\d]\w*)
  | (?P<number>{_DIGITS})
  | (?P<mark>\|>|\.\.|[=!<>]=|[<>=:,()\[\]{{}}.+\-*/])
  | (?P<string>"{{3}}(?:[^\\]|\\.)*?"{{3}}|'{{3}}.*?'{{3}}|"(?!"")(?:[^"\\\n]|\\[^\n])*"|'(?!'')[^'\n]*')
  | (?P<comment>\#[^\n]*)
  | (?P<tab>\t+)
  | (?P<open>"{{3}}|'{{3}}|"|')
  | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
# A node and a part of it, each plain or as a string: `%expert[math]/data.train`, `%"expert[a b]"`.
REF = re.compile(
    r"""
    %(?P<node>[A-Za-z_][\w/\-]*(?:\[[\w.\-]+\][\w/\-]*)*|"(?:[^"\\\n]|\\[^\n])*")
    (?:\.(?P<key>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*|"(?:[^"\\\n]|\\[^\n])*"))?
    """,
    re.VERBOSE | re.ASCII,
)
_COLUMN = re.compile(r"\.[A-Za-z_]\w*", re.ASCII)
# Without a space `8B` is eight billion, so bytes need one: `8 B`.
_UNIT = re.compile(
    r"([kMBT]?)(?:[ \t]*%(?![A-Za-z_])"
    rf"|(?:[ \t]+B(?:/s)?|[ \t]*(?:{_UNIT_NAMES}))(?![A-Za-z0-9_])(?![ \t]*:))"
)
_MULTIPLIER = re.compile(r"[kMBT](?![A-Za-z0-9_])")
_OTHER_UNIT = re.compile(r"[ \t]*([^\W\d]\w*(?:[-/][^\W\d]\w*)*)(?!\w|[ \t]*:)")
_DECLARATION = re.compile(rf"(?:{'|'.join(sorted(DECLARATIONS))})\b")
_NEXT_DECLARATION = re.compile(rf"\n(?=(?:{'|'.join(sorted(DECLARATIONS))})\b)")
_AHEAD_COLON = re.compile(r"\s*:")
_KINDS_OF_MARK = {
    "+": "ADD", "-": "ADD", "*": "MUL", "/": "MUL",
    "==": "CMP", "!=": "CMP", "<=": "CMP", ">=": "CMP", "<": "CMP", ">": "CMP",
}  # fmt: skip
ENDS_VALUE = frozenset(
    {"NAME", "COLUMN", "STRING", "NUMBER", "QUANTITY", "REF", ")", "]", "}", "true", "false"}
)


def split_quantity(text: str) -> tuple[str, str]:
    """`300M tokens` as `300M` and `tokens`."""
    number = _NUMBER.match(text)
    assert number is not None
    if unit := _UNIT.match(text, number.end()):
        return text[: unit.end(1)], text[unit.end(1) :].strip()
    multiplier = _MULTIPLIER.match(text, number.end())
    end = multiplier.end() if multiplier else number.end()
    return text[:end], text[end:].strip()


def words(source: Source, start: int = 0, end: int | None = None, *, refs: bool = False) -> Words:
    """The tokens of `source.text[start:end]`; with `refs` also the `%name` of IR text."""
    return _Lexer(source, start, len(source.text) if end is None else end, refs).run()


class _Lexer:
    def __init__(self, source: Source, start: int, end: int, refs: bool) -> None:
        self.source, self.text, self.at, self.end, self.refs = source, source.text, start, end, refs
        self.tokens: list[Token] = []
        self.comments: list[Comment] = []
        self.problems: list[Diagnostic] = []
        self.tabs: list[Span] = []

    def run(self) -> Words:
        text, end, match = self.text, self.end, _WORD.match
        while self.at < end and len(self.tokens) <= MAX_TOKENS and len(self.problems) <= MAX_PROBLEMS:
            found = match(text, self.at, end)
            assert found is not None
            kind = found.lastgroup
            assert kind is not None
            if kind == "space":
                self.at = found.end()
            else:
                getattr(self, f"_{kind}")(found.start(), found.end())
        if self.tabs:
            self.problems.append(LookAlike(self.tabs[0], " ", tuple(self.tabs[1:])))
        return Words(self.tokens, self.comments, self.problems)

    def _put(self, kind: str, start: int, end: int) -> None:
        self.tokens.append(Token(kind, start, end))
        self.at = end

    def _span(self, start: int, end: int) -> Span:
        return Span(self.source, start, end)

    def _name(self, start: int, end: int) -> None:
        word = self.text[start:end]
        if len(word) > MAX_NAME:
            says = f"this name is longer than {MAX_NAME} characters"
            self.problems.append(
                Unexpected(self._span(start, start + 1), says, fix=Fix("choose a shorter one"))
            )
            self._put("NAME", start, end)
        elif not word.isascii():
            self._foreign(start, end)
        elif word in RESERVED:
            self._put(word, start, end)
        elif word in DECLARATIONS and self._declares(word, start, end):
            self._put("KIND" if word in KINDS else word.upper(), start, end)
        else:
            self._put("NAME", start, end)

    def _declares(self, word: str, start: int, end: int) -> bool:
        at_column_0 = start == 0 or self.text[start - 1] in "\n\ufeff"
        return at_column_0 and not (word in _SLOT_TOO and _AHEAD_COLON.match(self.text, end, self.end))

    def _number(self, start: int, end: int) -> None:
        text = self.text
        if unit := _UNIT.match(text, end, self.end):
            self._put("QUANTITY", start, unit.end())
            return
        if multiplier := _MULTIPLIER.match(text, end, self.end):
            end = multiplier.end()
        other = _OTHER_UNIT.match(text, end, self.end)
        if other and other[1] not in RESERVED:
            self.problems.append(UnknownUnit(self._span(*other.span(1)), self._span(start, end)))
            self._put("QUANTITY", start, other.end())
        else:
            self._put("NUMBER", start, end)

    def _mark(self, start: int, end: int) -> None:
        mark = self.text[start:end]
        if mark == "." and not (self.tokens and self.tokens[-1].kind in ENDS_VALUE):
            column = _COLUMN.match(self.text, start, self.end)
            if column:
                self._put("COLUMN", start, column.end())
                return
        self._put(_KINDS_OF_MARK.get(mark, mark), start, end)

    def _string(self, start: int, end: int) -> None:
        self._put("STRING", start, end)

    def _comment(self, start: int, end: int) -> None:
        line = self.text.rfind("\n", 0, start) + 1
        own_line = not (self.tokens and self.tokens[-1].end > line)
        doc = self.text.startswith("##", start) and not self.text.startswith("###", start)
        stop = end - 1 if self.text[end - 1] == "\r" else end
        self.comments.append(Comment(start, stop, own_line, doc))
        self.at = end

    def _tab(self, start: int, end: int) -> None:
        self.tabs.append(self._span(start, end))
        self.at = end

    def _open(self, start: int, end: int) -> None:
        """A string without its end: it goes to the end of its line, or to the next declaration."""
        long = end - start == 3
        if long:
            stop = _NEXT_DECLARATION.search(self.text, end, self.end)
            last = stop.start() if stop else self.end
        else:
            line = self.text.find("\n", end, self.end)
            last = self.end if line < 0 else line
        last = max(end, start + len(self.text[start:last].rstrip()))
        if not long:
            last = max(end, start + len(self.text[start:last].rstrip(",)]}")))
        self.problems.append(Unclosed(self._span(start, end), None, "", last, self.text[start:end]))
        self._put("STRING", start, last)

    def _other(self, start: int, end: int) -> None:
        char = self.text[start]
        if char == "%" and self.refs and (ref := REF.match(self.text, start, self.end)):
            self._put("REF", start, ref.end())
        elif char.isascii():
            self._stray(start)
        else:
            self._foreign(start, end)

    def _stray(self, start: int) -> None:
        for pair, meant in (("&&", "and"), ("||", "or"), ("!", "not"), ("&", "and"), ("|", "|>")):
            if self.text.startswith(pair, start):
                end = start + len(pair)
                says = f"`{pair}` is not a mark of the language"
                self.problems.append(Unexpected.replaced(self._span(start, end), meant, says))
                self._put(meant, start, end)
                return
        self.problems.append(Unexpected.dropped(self._span(start, start + 1)))
        self.at = start + 1

    def _foreign(self, start: int, end: int) -> None:
        """A letter or mark outside ASCII: reported, then read as the ASCII one it looks like."""
        from fusec.lang.lookalike import ascii_like

        span = self._span(start, end)
        meant = ascii_like(span.text)
        if meant in ('"', "'"):
            self._smart_string(start, meant)
            return
        if meant is None and not span.text[0].isalpha() and not span.text.isidentifier():
            meant = " " if span.text.isspace() or not span.text.isprintable() else None
        self.problems.append(LookAlike(span, meant))
        self.at = end
        if meant is None or meant.strip():
            kind = "NAME"
            if meant is not None and _WORD.fullmatch(meant) and not meant[0].isalpha() and meant[0] != "_":
                kind = _KINDS_OF_MARK.get(meant, meant)
            elif not span.text.isidentifier():
                return
            self._put(kind, start, end)

    def _smart_string(self, start: int, meant: str) -> None:
        line = self.text.find("\n", start, self.end)
        last = self.end if line < 0 else line
        closing = next((i for i in range(start + 1, last) if self.text[i] in "\"'“”‘’„‟«»＂＇"), None)
        end = last if closing is None else closing + 1
        edge = [self._span(start, start + 1)] + ([] if closing is None else [self._span(end - 1, end)])
        self.problems.append(LookAlike(edge[0], '"', tuple(edge[1:])))
        self._put("STRING", start, end)
