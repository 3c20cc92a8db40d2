"""What fusec says when a spec cannot work: one class per code, built from spans, printed elsewhere.

A diagnostic is a frozen dataclass that holds what it is about and answers a few questions: `title`,
`marks` (the first is primary), `tables`, `why`, `fixes`, `see`. Its docstring is the page that
`fusec explain` prints.
Classes live in `fusec/lang/codes/`, one file per code.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Iterable
from typing import ClassVar, Literal

import msgspec

from fusec.lang.source import Span

Level = Literal["error", "warning", "hint"]
Grade = Literal["safe", "maybe"]


class Mark(msgspec.Struct, frozen=True):
    """A span with a few words beside it."""

    span: Span
    note: str = ""


class Edit(msgspec.Struct, frozen=True):
    """Replace the text of `span` by `text`."""

    span: Span
    text: str


class Fix(msgspec.Struct, frozen=True):
    """The next step in words; with `edits` and a grade when a machine may apply it."""

    say: str
    edits: tuple[Edit, ...] = ()
    grade: Grade | None = None


class Diagnostic(ABC):
    """Base of all codes. Subclasses: `@dataclass(frozen=True) class X(Diagnostic, code="FUSE000")`."""

    code: ClassVar[str]
    level: ClassVar[Level]
    tells_a_story: ClassVar[bool] = False
    """True where the order of the marks says something, wherever they stand in the text."""
    by_code: ClassVar[dict[str, type[Diagnostic]]] = {}

    def __init_subclass__(cls, code: str, level: Level = "error") -> None:
        other = Diagnostic.by_code.get(code)
        assert other is None or other.__qualname__ == cls.__qualname__, f"{code} is declared twice"
        cls.code, cls.level = code, level
        Diagnostic.by_code[code] = cls

    @abstractmethod
    def title(self) -> str:
        """What is wrong, in one line."""

    @abstractmethod
    def marks(self) -> tuple[Mark, ...]:
        """Empty where no text is to blame: what shows only while running."""

    def why(self) -> str:
        return ""

    def fixes(self) -> tuple[Fix, ...]:
        return ()

    def tables(self) -> tuple[tuple[str, str], ...]:
        """Labelled text of one or more lines, printed between the marks and the footers."""
        return ()

    def see(self) -> str:
        return ""


def all_codes() -> dict[str, type[Diagnostic]]:
    """Every code, in order; imports each file of `fusec/lang/codes/`."""
    from fusec.lang import codes

    for module in pkgutil.iter_modules(codes.__path__):
        importlib.import_module(f"{codes.__name__}.{module.name}")
    ours = {c: cls for c, cls in Diagnostic.by_code.items() if cls.__module__.startswith(codes.__name__)}
    return dict(sorted(ours.items()))


_MANY_WORDS = 200


_NEAR = 0.7  # at 0.6, which is usual, `range` is meant to be `average`


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` was most likely meant to be, or None when nothing is near."""
    if len(word) > 100:
        return None
    words = sorted(known)
    if len(words) > _MANY_WORDS:  # comparing is slow, so among many only those that begin alike
        at = bisect_left(words, word)
        words = words[max(0, at - _MANY_WORDS // 2) : at + _MANY_WORDS // 2]
    found = difflib.get_close_matches(word, words, n=1, cutoff=_NEAR)
    return found[0] if found else None
