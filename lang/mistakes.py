"""Names the mistake at the first token the grammar cannot place.

Each function looks for one habit from other languages, or one slip, and gives its message or None;
the first that answers wins, so the order below goes from the particular to the general.
"""

from __future__ import annotations

from typing import NamedTuple

from fusec.lang.codes.fuse002_unexpected import Unexpected
from fusec.lang.diagnostics import Edit, Fix, Mark
from fusec.lang.lexer import RESERVED, Token
from fusec.lang.source import Source, Span
from fusec.lang.tables import END

_VALUES = frozenset({"NAME", "STRING", "NUMBER", "QUANTITY", "COLUMN", "true", "false", "REF"})
_OPERATORS = frozenset({"ADD", "MUL", "CMP", "and", "or", "not", "in", "..", "then", "else", "if", "|>"})


class Scene(NamedTuple):
    """The place of the mistake: `tokens[at]` does not fit, or the text ends when `at` is their number."""

    source: Source
    tokens: list[Token]
    at: int
    expected: frozenset[str]

    def span(self, at: int) -> Span:
        token = self.tokens[at]
        return Span(self.source, token.start, token.end)

    def text(self, at: int) -> str:
        return self.span(at).text if 0 <= at < len(self.tokens) else ""

    def kind(self, at: int) -> str:
        return self.tokens[at].kind if 0 <= at < len(self.tokens) else END

    @property
    def bracket(self) -> str:
        """The innermost bracket open before the mistake, or nothing."""
        depth = 0
        for token in reversed(self.tokens[: self.at]):
            if token.kind in ")]}":
                depth += 1
            elif token.kind in "([{":
                if depth == 0:
                    return token.kind
                depth -= 1
        return ""

    def insert(self, text: str) -> Edit:
        """Writes `text` between the last good token and the bad one."""
        end = self.tokens[self.at - 1].end
        return Edit(Span(self.source, end, end), text)


def explain(scene: Scene) -> Unexpected:
    for guess in _GUESSES:
        if found := guess(scene):
            return found
    return _whatever(scene)


def _equals_for_colon(s: Scene) -> Unexpected | None:
    """`base = base` in a block, `density=0.5` in an argument list."""
    if (
        s.kind(s.at) != "="
        or s.kind(s.at - 1) != "NAME"
        or s.kind(s.at - 2) == ":"
        or s.bracket not in ("{", "(")
    ):
        return None
    what = "a slot" if s.bracket == "{" else "an argument"
    before, equals = s.span(s.at - 1), s.span(s.at)
    good = f"{before.text}: {s.text(s.at + 1)}"
    edit = Edit(Span(s.source, before.end, equals.end), ":")
    return Unexpected(equals, f"{what} takes `:`, not `=`", fix=Fix(f"write `{good}`", (edit,), "safe"))


def _equals_for_compare(s: Scene) -> Unexpected | None:
    if s.kind(s.at) != "=" or "CMP" not in s.expected:
        return None
    return Unexpected.replaced(s.span(s.at), "==", "`=` makes a name, `==` compares", grade="maybe")


def _chained_compare(s: Scene) -> Unexpected | None:
    if s.kind(s.at) != "CMP" or "and" not in s.expected:
        return None
    fix = Fix("write two comparisons joined by `and`, or `x in low..high`")
    return Unexpected(s.span(s.at), "comparisons do not chain", fix=fix)


def _colon_for_from(s: Scene) -> Unexpected | None:
    """`model base: "hf:…"`, `model m: merge {…}`."""
    if s.tokens[0].kind != "KIND" or s.bracket:
        return None
    colon = next((i for i in (s.at - 1, s.at - 2) if s.kind(i) == ":" and s.kind(i - 1) == "NAME"), None)
    if colon is None or s.kind(s.at) not in ("STRING", "{", "("):
        return None
    word, why = (
        (" from", "`from` says where it comes from")
        if s.kind(s.at) == "STRING"
        else (" =", "`=` says how it is made")
    )
    says = "after the colon of a declaration comes its type"
    return Unexpected(
        s.span(colon), says, why, fix=Fix(f"write `{word.strip()}`", (Edit(s.span(colon), word),), "safe")
    )


def _colon_after_keyword(s: Scene) -> Unexpected | None:
    """`edition: 2026`, `param: seed = 1`."""
    if s.at != 1 or s.kind(1) != ":":
        return None
    fix = Fix("remove the `:`", (Edit(s.span(1), ""),), "safe")
    return Unexpected(s.span(1), f"`{s.text(0)}` takes no colon", fix=fix)


def _missing_word(s: Scene) -> Unexpected | None:
    """A declaration without its `from`, `=`, `as` or `to`."""
    if s.bracket or s.kind(s.at) not in ("STRING", "NAME", "NUMBER", "[", "{", "QUANTITY"):
        return None
    if "from" in s.expected:
        word = "from" if s.kind(s.at) == "STRING" else "="
    else:
        word = next((w for w in ("to", "as", "=") if w in s.expected and "|>" not in s.expected), "")
    if not word or s.kind(s.at - 1) == s.tokens[0].kind:
        return None
    fix = Fix(f"write `{word}` before it", (s.insert(f" {word}"),), "maybe")
    return Unexpected(s.span(s.at), f"`{word}` is missing before `{s.text(s.at)}`", fix=fix)


def _colon_missing(s: Scene) -> Unexpected | None:
    if s.bracket != "{" or s.expected != {":"} or s.kind(s.at) not in _VALUES | {"[", "."}:
        return None
    name = s.text(s.at - 1)
    value = f".{s.text(s.at + 1)}" if s.kind(s.at) == "." else s.text(s.at)
    fix = Fix(f"write `{name}: {value}`", (s.insert(":"),), "safe")
    return Unexpected(s.span(s.at), f"`:` is missing after `{name}`", fix=fix)


def _quoted_slot(s: Scene) -> Unexpected | None:
    if s.bracket != "{" or s.kind(s.at) != "STRING" or s.kind(s.at + 1) != ":" or "NAME" not in s.expected:
        return None
    bare = s.text(s.at).strip("\"'")
    return Unexpected.replaced(s.span(s.at), bare, "the name of a slot stands without quotes")


def _value_missing(s: Scene) -> Unexpected | None:
    """`base:` and nothing behind it: the name of the next slot was read as its value."""
    at = s.at
    if s.kind(at) == ":" and s.kind(at - 1) == "NAME" and s.kind(at - 2) in (":", "="):
        at -= 1
    if s.kind(at - 1) in _OPERATORS and "NAME" in s.expected and "STRING" in s.expected:
        fix = Fix(f"write the value, or remove `{s.text(at - 1)}`")
        return Unexpected(s.span(at - 1), f"a value is missing after `{s.text(at - 1)}`", fix=fix)
    if s.kind(at - 1) not in (":", "="):
        return None
    if at == s.at and not (s.kind(at) in (",", "}", ")", "]", END) and "NAME" in s.expected):
        return None
    owner = s.span(at - 2) if at >= 2 else s.span(at - 1)
    fix = Fix(f"write the value, or remove `{owner.text}`")
    return Unexpected(s.span(at - 1), f"`{owner.text}` has no value", "a value belongs after this", fix=fix)


def _reserved_word(s: Scene) -> Unexpected | None:
    if s.kind(s.at) not in RESERVED or "NAME" not in s.expected:
        return None
    if s.kind(s.at) in ("true", "false") or ("STRING" in s.expected and s.kind(s.at + 1) != ":"):
        return None
    word = s.text(s.at)
    if s.kind(s.at - 1) == ".":
        fix = Fix("write the name, or remove the dot")
        return Unexpected(s.span(s.at - 1), "a name is missing after `.`", fix=fix)
    return Unexpected(
        s.span(s.at), f"`{word}` is a word of the language, not a name", fix=Fix("choose another name")
    )


def _else_missing(s: Scene) -> Unexpected | None:
    if "else" not in s.expected or "then" not in (t.kind for t in s.tokens[: s.at]):
        return None
    at = max(i for i in range(s.at) if s.kind(i) == "if")
    found = s.span(min(s.at, len(s.tokens) - 1))
    return Unexpected(
        s.span(at), "this `if` has no `else`", reason="each expression has a value, whatever the condition",
        other=Mark(found, "`else` belongs before this" if s.at < len(s.tokens) else ""),
    )  # fmt: skip


def _then_missing(s: Scene) -> Unexpected | None:
    if "then" not in s.expected or s.kind(s.at) not in (END, ",", "}", ")", "]", "NAME"):
        return None
    at = max(i for i in range(s.at) if s.kind(i) == "if")
    return Unexpected(s.span(at), "this `if` has no `then`", fix=Fix("write `if … then … else …`"))


def _ends_early(s: Scene) -> Unexpected | None:
    if s.at < len(s.tokens):
        return None
    last = s.span(s.at - 1)
    says = f"something is missing after `{_short(last.text)}`"
    return Unexpected(
        last, says, _wanted(s.expected), reason="the declaration ends here, and it is not whole"
    )


def _left_over(s: Scene) -> Unexpected | None:
    if END not in s.expected:
        return None
    text = _short(s.text(s.at))
    reason = "what stands before it is whole already"
    return Unexpected(s.span(s.at), f"`{text}` does not belong to what stands before it", reason=reason)


def _whatever(s: Scene) -> Unexpected:
    text = _short(s.text(s.at))
    reason = "nothing else in this declaration was read"
    return Unexpected(s.span(s.at), f"`{text}` cannot stand here", _wanted(s.expected), reason)


def _wanted(expected: frozenset[str]) -> str:
    if {"STRING", "NUMBER", "NAME"} <= expected:
        return "a value belongs here"
    names = {"NAME": "a name", "STRING": "a string", "NUMBER": "a number", "COLUMN": "a column"}
    known = [kind for kind in sorted(expected) if kind in names or not kind.isupper()]
    marks = [names.get(kind) or f"`{kind}`" for kind in known]
    return "expected " + " or ".join(marks) if 0 < len(marks) <= 4 else ""


def _short(text: str) -> str:
    line = text.partition("\n")[0]
    return line if len(line) <= 32 and line == text else line[:30] + "…"


_GUESSES = (
    _equals_for_colon,
    _equals_for_compare,
    _chained_compare,
    _colon_for_from,
    _colon_after_keyword,
    _value_missing,
    _missing_word,
    _colon_missing,
    _quoted_slot,
    _reserved_word,
    _then_missing,
    _else_missing,
    _ends_early,
    _left_over,
)
