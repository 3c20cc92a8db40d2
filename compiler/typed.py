"""A checked spec: typed steps, goals, limits, and everything that was said on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from fusec.compiler.facts import SourceFacts, SourceProblem, SourceRequest
from fusec.compiler.ir import Check, Output
from fusec.compiler.packages import PackagePin
from fusec.compiler.step import Method, Step
from fusec.compiler.values import Measure
from fusec.lang import tree
from fusec.lang.diagnostics import Diagnostic
from fusec.lang.source import Source, Span
from fusec.lang.types import Type

FactsOf = Callable[[SourceRequest], SourceFacts | SourceProblem]


class TypedStep(msgspec.Struct, frozen=True):
    """A step that fits: its address, its resolved slots, its type, and where it and its slots stand."""

    name: str
    step: Step
    type: Type
    at: Span
    label: str
    written: Mapping[str, Span] = {}


class TypedTarget(msgspec.Struct, frozen=True):
    """A `target` declaration: its name, what it says, and the expression that says it."""

    name: str
    value: Method
    expr: tree.Expr


class TypedPackage(msgspec.Struct, frozen=True):
    """A package that the spec takes verbs from, and the `extend` that says so."""

    pin: PackagePin
    at: Span


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
    targets: Mapping[str, TypedTarget]
    params: Mapping[str, Any]
    sources: Mapping[str, SourceRequest]
    facts: Mapping[str, SourceFacts]
    problems: tuple[Diagnostic, ...]
    packages: Mapping[str, TypedPackage] = {}
    files: Mapping[str, Source] = {}  # what `use` read, by path from the spec
    licences: Mapping[str, str] = {}  # of sources, as the spec or else the card states them
    values: Mapping[str, Any] = {}  # what each name of the file stands for; a family is a map by key

    @property
    def failed(self) -> bool:
        return any(problem.level == "error" for problem in self.problems)
