"""A checked spec: typed steps, goals, limits, and everything that was said on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from fusec.compiler.facts import SourceFacts, SourceProblem, SourceRequest
from fusec.compiler.ir import Check, Output
from fusec.compiler.step import Method, Step
from fusec.compiler.values import Measure
from fusec.lang.diagnostics import Diagnostic
from fusec.lang.source import Span
from fusec.lang.types import Type

FactsOf = Callable[[SourceRequest], SourceFacts | SourceProblem]


class TypedStep(msgspec.Struct, frozen=True):
    """A step that fits: its address, its resolved slots, its type, and where it stands."""

    name: str
    step: Step
    type: Type
    at: Span
    label: str


class Limit(msgspec.Struct, frozen=True):
    """One line of the `budget` block, in the base unit of its dimension."""

    name: str
    value: Measure
    at: Span


class Typed(msgspec.Struct, frozen=True):
    """A checked spec: what it would do if there are no errors among `problems`."""

    steps: Mapping[str, TypedStep]
    goals: tuple[Output | Check, ...]
    limits: tuple[Limit, ...]
    targets: Mapping[str, Method]
    params: Mapping[str, Any]
    sources: Mapping[str, SourceRequest]
    facts: Mapping[str, SourceFacts]
    problems: tuple[Diagnostic, ...]

    @property
    def failed(self) -> bool:
        return any(problem.level == "error" for problem in self.problems)
