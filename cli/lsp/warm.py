"""Checking again after an edit: what nothing new touches is taken from the last time.

The value of a declaration depends on its tree and on the declarations it reads, in its own file and in those
it uses. Both are at hand: pieces that were not edited keep their trees, and every read goes through
`Module.named`. `Memory` keeps what each declaration came to; a declaration is evaluated again when it or one
it reads is another one. A `use` itself is always followed again, which costs little where its file stayed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from fusec.cli.lsp.recall import Key, Outcome, Place, Recall, Watched
from fusec.compiler.check import Checker, GivenUp, check
from fusec.compiler.facts import TokenizerFacts
from fusec.compiler.files import Files
from fusec.compiler.module import Module, bind
from fusec.compiler.modules import Instance
from fusec.compiler.packages import PackagesOf, no_packages
from fusec.compiler.step import Step
from fusec.compiler.typed import FactsOf, Typed
from fusec.lang import tree
from fusec.lang.codes.fuse105_cycle import Cycle
from fusec.lang.diagnostics import Diagnostic
from fusec.lang.parse import Parsed
from fusec.lang.source import Span
from fusec.lang.types import Type


class Memory:
    """What the last check of a document found, for the next one. Facts must not have changed between."""

    def __init__(self) -> None:
        self.recall = Recall()
        self.tokenizers: dict[str, TokenizerFacts] = {}
        self.spaces: dict[str, Mapping[str, tuple[int, ...]]] = {}

    def branch(self) -> Memory:
        """A memory that begins with what this one holds, for a text that is only tried."""
        other = Memory()
        other.recall, other.tokenizers, other.spaces = self.recall, self.tokenizers, self.spaces
        return other

    def check(
        self,
        parsed: Parsed,
        facts: FactsOf,
        packages: PackagesOf = no_packages,
        files: Files | None = None,
    ) -> Typed:
        """As `compiler.check.check`, with the same result."""
        recall = Recall(self.recall)
        try:
            checker = WarmChecker(recall, self, bind(parsed, {}), facts, packages, files)
            typed = checker.run()
        except (GivenUp, RecursionError):
            self.recall = Recall()
            return check(parsed, facts, packages=packages, files=files)
        finally:
            recall.forget_last()
        cyclic = any(isinstance(problem, Cycle) for problem in typed.problems)
        self.recall = Recall() if cyclic else recall
        return typed


class Warm(Checker):
    """A checker of one file that asks a `Recall` before it evaluates a declaration."""

    recall: Recall
    place: Place
    named: Watched

    def watch(self, recall: Recall) -> None:
        """Tell `recall` what this file declares, and from now on what is read of it."""
        self.recall, self.place = recall, (self.prefix, self.folder)
        recall.enter(self, tuple(self.module.named))
        self.named = Watched(self.module.named, self)
        self.module = msgspec.structs.replace(self.module, named=self.named)

    def value_of(self, name: str, decl: Any) -> Any:
        recall, key = self.recall, (self.place, name)
        recall.asked(key, decl)
        if name in self._values or isinstance(decl, tree.Broken) or self._waits(name):
            return super().value_of(name, decl)
        if not isinstance(decl, tree.Use) and (outcome := recall.unchanged(key)) is not None:
            return self._replay(key, outcome)
        outcome = Outcome(self.place, decl, given=self.given(decl))
        with recall.making(key, outcome):
            outcome.value = super().value_of(name, decl)
        kept = [step for step in outcome.steps if step in self.sources]
        outcome.sources = {step: (self.sources[step], self.facts[step]) for step in kept}
        outcome.licences = {step: self.licences[step] for step in kept if step in self.licences}
        return outcome.value

    def given(self, decl: Any) -> Any:
        """What a parameter gets from a `use`; a message may show the `use` that gives it nothing."""
        if not isinstance(decl, tree.Param):
            return None
        argument = self.arguments.get(decl.name.id)
        # As text, for 1 and 1.0 are equal and mean different things.
        return self.used_at if argument is None else (argument.expr, repr(argument.value))

    def unit_wanted(self, at: Span, slot: str, dimension: str) -> None:
        super().unit_wanted(at, slot, dimension)
        self.recall.note(lambda outcome: outcome.units.append((at, slot, dimension)))

    def _replay(self, key: Key, outcome: Outcome) -> Any:
        checkers = self.recall.checkers
        self._values[key[1]] = outcome.value
        self.recall.made[key] = outcome
        for place, name in outcome.reads:
            checkers[place].mark_used(name)
        for (place, name), decl in outcome.asks.items():
            checkers[place].value_of(name, decl)
        for at, slot, dimension in outcome.units:
            Checker.unit_wanted(self, at, slot, dimension)
        for problem, of_used_file in outcome.problems.items():
            if not of_used_file or self.instances.first(problem):
                Checker.report(self.root, problem)
        for step, (request, facts) in outcome.sources.items():
            self.sources[step], self.facts[step] = request, facts
        self.licences.update(outcome.licences)
        self.steps.update(outcome.steps)
        return outcome.value

    def mark_used(self, name: str) -> None:
        self._used.add(name)


class WarmInstance(Warm, Instance):
    """A used file; what is remembered of it is that of one `use`."""

    def __init__(self, parent: Checker, module: Module, at: Span, address: str, folder: str) -> None:
        super().__init__(parent, module, at, address, folder)
        assert isinstance(parent, Warm)
        self._parent = parent

    def evaluate_all(self) -> None:
        self.watch(self._parent.recall)  # its arguments are known by now
        super().evaluate_all()

    def report(self, problem: Diagnostic) -> None:
        self.recall.note(lambda outcome: outcome.problems.setdefault(problem, True))
        super().report(problem)


class WarmChecker(Warm):
    """The file that is checked."""

    instance_class = WarmInstance

    def __init__(
        self,
        recall: Recall,
        memory: Memory,
        module: Module,
        facts: FactsOf,
        packages: PackagesOf,
        files: Files | None,
    ) -> None:
        super().__init__(module, facts, packages, files)
        self.tokenizers, self.spaces = memory.tokenizers, memory.spaces
        self.watch(recall)

    def report(self, problem: Diagnostic) -> None:
        self.recall.note(lambda outcome: outcome.problems.setdefault(problem, False))
        super().report(problem)

    def add(
        self, name: str, step: Step, type_: Type, at: Span, written: Mapping[str, Span] | None = None
    ) -> Any:
        value = super().add(name, step, type_, at, written)
        if name in self.steps:
            self.recall.note(lambda outcome: outcome.steps.update({name: self.steps[name]}))
        return value
