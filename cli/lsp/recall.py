"""What declarations came to, what each of them looked at, and which of that still holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from fusec.compiler.facts import SourceFacts, SourceRequest
from fusec.compiler.typed import TypedStep
from fusec.compiler.values import Used
from fusec.lang import tree
from fusec.lang.diagnostics import Diagnostic
from fusec.lang.source import Span

if TYPE_CHECKING:
    from fusec.cli.lsp.warm import Warm

Place: TypeAlias = tuple[str, str]
"""A file as one `use` sees it: the prefix of its names, and the folder that its paths start at."""

Key: TypeAlias = tuple[Place, str]
"""A declaration."""


@dataclass
class Outcome:
    """What the evaluation of one declaration did.

    `reads` are the declarations it looked at, `asks` those among them whose value it took. A problem is
    marked that was found in a used file: those are told once, whoever finds them. What missed a name in
    a used file is `lost`: whether that is told depends on all of that file.
    """

    place: Place
    decl: Any
    given: Any
    lost: bool = False
    value: Any = None
    reads: dict[Key, Any] = field(default_factory=dict)
    asks: dict[Key, Any] = field(default_factory=dict)
    steps: dict[str, TypedStep] = field(default_factory=dict)
    sources: dict[str, tuple[SourceRequest, SourceFacts]] = field(default_factory=dict)
    licences: dict[str, str] = field(default_factory=dict)
    units: list[tuple[Span, str, str]] = field(default_factory=list)
    problems: dict[Diagnostic, bool] = field(default_factory=dict)


class Watched(dict[str, Any]):
    """The named declarations of a file; tells the outcome being made who was looked at."""

    def __init__(self, named: Any, checker: Warm) -> None:
        super().__init__(named)
        self._place, self._open = checker.place, checker.recall.open

    def get(self, name: str, default: Any = None) -> Any:
        found = super().get(name, default)
        if not self._open:
            return found
        if found is not None:
            self._open[-1].reads[self._place, name] = found
        elif self._open[-1].place != self._place:
            self._open[-1].lost = True
        return found

    def has(self, name: str, decl: Any) -> bool:
        return super().get(name) is decl


class Recall:
    """The outcomes of one check, and for as long as it runs those of the check before it."""

    def __init__(self, last: Recall | None = None) -> None:
        self.made: dict[Key, Outcome] = {}
        self.names: dict[Place, tuple[str, ...]] = {}
        self.checkers: dict[Place, Warm] = {}
        self.open: list[Outcome] = []
        self._last = last.made if last else {}
        self._last_names = last.names if last else {}
        self._same: dict[Key, bool] = {}

    def forget_last(self) -> None:
        """End a check: else each would keep the one before it, and that the one before."""
        self._last, self._last_names, self._same = {}, {}, {}

    def enter(self, checker: Warm, names: tuple[str, ...]) -> None:
        """A file begins. A name that comes or goes may change what any other word means."""
        if self._last_names.get(checker.place, names) != names:
            self._last = {}
        self.names[checker.place] = names
        self.checkers[checker.place] = checker

    def asked(self, key: Key, decl: Any) -> None:
        if self.open:
            self.open[-1].asks[key] = decl

    def note(self, put: Callable[[Outcome], Any]) -> None:
        """Note something of the declaration that is being evaluated, if there is one."""
        if self.open:
            put(self.open[-1])

    @contextmanager
    def making(self, key: Key, outcome: Outcome) -> Iterator[None]:
        self.open.append(outcome)
        try:
            yield
        finally:
            self.open.pop()
        self.made[key] = outcome

    def unchanged(self, key: Key) -> Outcome | None:
        """What a declaration came to last time, when it and all it is made of are as they were."""
        if key not in self._same:
            self._same[key] = True  # nothing is remembered of a spec with cycles: nobody asks meanwhile
            self._same[key] = self._is_unchanged(key)
        return self._last.get(key) if self._same[key] else None

    def _is_unchanged(self, key: Key) -> bool:
        (place, name), outcome = key, self._last.get(key)
        checker = self.checkers.get(place)
        if outcome is None or outcome.lost or checker is None or not checker.named.has(name, outcome.decl):
            return False
        if outcome.given != checker.given(outcome.decl) or not self._hold(outcome):
            return False
        if isinstance(outcome.decl, tree.Use):
            return self._gives_the_same(checker, name, outcome)
        return not _has_modules(outcome.value)

    def _hold(self, outcome: Outcome) -> bool:
        """Whether all that was asked and read is as it was: what was asked first may lead to the others."""
        for key, decl in outcome.asks.items():
            if not isinstance(decl, tree.Broken) and self.unchanged(key) is None:
                return False
        return all(
            place in self.checkers and self.checkers[place].named.has(name, decl)
            for (place, name), decl in outcome.reads.items()
        )

    def _gives_the_same(self, checker: Warm, name: str, outcome: Outcome) -> bool:
        """Follow a `use` again, which makes its files known; they may have other names or be gone."""
        self.open.append(Outcome(checker.place, outcome.decl, None))
        try:
            value = checker.value_of(name, outcome.decl)
        finally:
            self.open.pop()
        return bool(self._last) and _places(value) == _places(outcome.value)


def _places(value: Any) -> list[Place]:
    """The files that a `use` gives."""
    found = value.values() if isinstance(value, dict) else [value]
    return [used.checker.place for used in found if isinstance(used, Used)]


def _has_modules(value: Any) -> bool:
    """Whether a value holds a module, whose checker is that of one check."""
    if isinstance(value, dict):
        return any(map(_has_modules, value.values()))
    return isinstance(value, Used) or (isinstance(value, tuple) and any(map(_has_modules, value)))
