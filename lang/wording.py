"""Small turns of phrase that several diagnostics share."""

from __future__ import annotations

import re
from collections.abc import Iterable

from fusec.lang.diagnostics import Edit, Fix, Grade
from fusec.lang.source import Span


def code(words: str) -> str:
    """A single word in backticks; a phrase as it is."""
    return words if " " in words or "`" in words else f"`{words}`"


def an(kind: str) -> str:
    """A type's name with its article (`a Size`, `an Int`); a phrase, or `Data`, as it is."""
    if " " in kind or kind == "Data":
        return kind
    return f"{'an' if kind[:1] in 'AEIO' else 'a'} {kind}"


def listing(words: Iterable[str], most: int = 12) -> str:
    """The words in the order given, cut short after `most`."""
    every = list(words)
    rest = len(every) - most
    return ", ".join(every[:most]) + (f" and {rest} more" if rest > 0 else "")


def line_of(span: Span, seen_from: Span) -> str:
    """`line 4`, or `line 4 of other.fuse` when the place is in another file."""
    line = f"line {span.position.line}"
    return line if span.source is seen_from.source else f"{line} of {span.source.name}"


def respell(at: Span, word: str, meant: str, grade: Grade = "maybe") -> Fix:
    """Write `meant` for `word`; as an edit when the marked text holds the word."""
    if word not in at.text:
        return Fix(f"write `{meant}`")
    return Fix(f"write `{meant}`", (Edit(at, at.text.replace(word, meant, 1)),), grade)


def certainty(word: str, meant: str, known: Iterable[str]) -> Grade:
    """How sure it is that `word` was to be `meant`, one of the `known` words of fusec itself.

    Names that a user made are never sure: `round_2` is one letter from `round_1` and another thing. Digits
    and short words are told apart by one letter for the same reason (`f16`, `bf16`; `min`, `mix`).
    """
    plain = len(meant) > 3 and not any(char.isdigit() for char in word + meant)
    slips = [other for other in known if is_slip(word, other)]
    return "safe" if plain and slips == [meant] else "maybe"


def is_slip(word: str, meant: str) -> bool:
    """True when one letter was added, lost or changed, or two neighbours were swapped."""
    short, long = sorted((word, meant), key=len)
    if len(long) - len(short) == 1:
        return any(long[:i] + long[i + 1 :] == short for i in range(len(long)))
    if len(long) != len(short):
        return False
    places = [i for i, (a, b) in enumerate(zip(short, long, strict=True)) if a != b]
    if len(places) == 2:
        i, j = places
        return j == i + 1 and short[i] == long[j] and short[j] == long[i]
    return len(places) == 1


def first_slot(verb: Span, slot: str) -> Edit:
    """Puts `slot` in front of the other slots of the verb's block; opens a block where there is none."""
    text = verb.source.text
    brace = re.compile(r"\s*\{").match(text, verb.end)
    if brace is None:
        return Edit(verb.source.span(verb.end, verb.end), f" {{ {slot} }}")
    inside = verb.source.span(brace.end(), brace.end())
    if lines := re.compile(r"\s*\n( *)[^\s}]").match(text, brace.end()):
        return Edit(inside, f"\n{lines[1]}{slot}")
    rest = "" if re.compile(r"\s*\}").match(text, brace.end()) else ","
    return Edit(inside, f" {slot}{rest}")
