"""Checking again after an edit: what nothing new touches is taken from the last time.

The value of a declaration depends on its tree and on the declarations it reads. Both are at hand: pieces
that were not edited keep their trees, and every read goes through `Module.named`. `Memory` keeps what each
declaration came to; a declaration is evaluated again when it or one it reads is another one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from fusec.compiler.check import Checker, GivenUp, check
from fusec.compiler.facts import SourceFacts, SourceRequest, TokenizerFacts
from fusec.compiler.module import Module, bind
from fusec.compiler.step import Step
from fusec.compiler.typed import FactsOf, Typed, TypedStep
from fusec.lang import tree
from fusec.lang.codes.fuse105_cycle import Cycle
from fusec.lang.diagnostics import Diagnostic
from fusec.lang.parse import Parsed
from fusec.lang.source import Span
from fusec.lang.types import Type


@dataclass
class Outcome:
    """What the evaluation of one declaration did.

    `reads` are the declarations it looked at, `asks` those among them whose value it took.
    """

    decl: Any
    value: Any = None
    reads: dict[str, Any] = field(default_factory=dict)
    asks: dict[str, Any] = field(default_factory=dict)
    steps: dict[str, TypedStep] = field(default_factory=dict)
    sources: dict[str, tuple[SourceRequest, SourceFacts]] = field(default_factory=dict)
    problems: list[Diagnostic] = field(default_factory=list)


class Memory:
    """What the last check of a document found, for the next one. Facts must not have changed between."""

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        self.outcomes: dict[str, Outcome] = {}
        self.tokenizers: dict[str, TokenizerFacts] = {}

    def check(self, parsed: Parsed, facts: FactsOf) -> Typed:
        """As `compiler.check.check`, with the same result."""
        module = bind(parsed, {})
        names = tuple(module.named)
        if names != self.names:  # a name that comes or goes may change what any other word means
            self.outcomes = {}
        checker = WarmChecker(self, module, facts)
        try:
            typed = checker.run()
        except (GivenUp, RecursionError):
            self.names, self.outcomes = (), {}
            return check(parsed, facts)
        cyclic = any(isinstance(problem, Cycle) for problem in typed.problems)
        self.names = () if cyclic else names
        self.outcomes = {} if cyclic else checker.made
        return typed


class _Watched(dict[str, Any]):
    """The named declarations of a module; tells `reads` of the outcome being made who was looked at."""

    reads: dict[str, Any] | None = None

    def get(self, name: str, default: Any = None) -> Any:
        found = super().get(name, default)
        if self.reads is not None and found is not None:
            self.reads[name] = found
        return found


class WarmChecker(Checker):
    """A checker that looks into a `Memory` before it evaluates a declaration."""

    def __init__(self, memory: Memory, module: Module, facts: FactsOf) -> None:
        self._named = _Watched(module.named)
        super().__init__(msgspec.structs.replace(module, named=self._named), facts)
        self.tokenizers = memory.tokenizers
        self.made: dict[str, Outcome] = {}
        self._memory = memory
        self._same: dict[str, bool] = {}
        self._open: list[Outcome] = []

    def value_of(self, name: str, decl: Any) -> Any:
        if self._open:
            self._open[-1].asks[name] = decl
        if name in self._values or isinstance(decl, tree.Broken) or self._waits(name):
            return super().value_of(name, decl)
        if self._unchanged(name):
            return self._replay(name, self._memory.outcomes[name])
        outcome = Outcome(decl)
        self._open.append(outcome)
        self._named.reads = outcome.reads
        try:
            outcome.value = super().value_of(name, decl)
        finally:
            self._open.pop()
            self._named.reads = self._open[-1].reads if self._open else None
        self.made[name] = outcome
        outcome.sources = {
            step: (self.sources[step], self.facts[step]) for step in outcome.steps if step in self.sources
        }
        return outcome.value

    def report(self, problem: Diagnostic) -> None:
        super().report(problem)
        if self._open:
            self._open[-1].problems.append(problem)

    def add(self, name: str, step: Step, type_: Type, at: Span) -> Any:
        value = super().add(name, step, type_, at)
        if self._open and name in self.steps:
            self._open[-1].steps[name] = self.steps[name]
        return value

    def _unchanged(self, name: str) -> bool:
        """Whether a declaration and all it is made of are those of the last time."""
        if name not in self._same:
            self._same[name] = True  # nothing is remembered of a spec with cycles: nobody asks meanwhile
            outcome = self._memory.outcomes.get(name)
            self._same[name] = (
                outcome is not None
                and self.module.named[name] is outcome.decl
                and all(self.module.named[read] is decl for read, decl in outcome.reads.items())
                and all(
                    self._unchanged(asked)
                    for asked, decl in outcome.asks.items()
                    if not isinstance(decl, tree.Broken)
                )
            )
        return self._same[name]

    def _replay(self, name: str, outcome: Outcome) -> Any:
        self._values[name] = outcome.value
        self.made[name] = outcome
        self._used.update(outcome.reads)
        for asked, decl in outcome.asks.items():
            self.value_of(asked, decl)
        for problem in outcome.problems:
            self._problems.setdefault(problem)
        for step, (request, facts) in outcome.sources.items():
            self.sources[step], self.facts[step] = request, facts
        self.steps.update(outcome.steps)
        return outcome.value
