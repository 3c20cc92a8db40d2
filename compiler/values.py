"""Values while compiling: Python scalars, lists, maps, and the few classes here.

`UNKNOWN` is the value of anything broken. It fits everywhere and reports nothing.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from fusec.compiler.ir import Ref
from fusec.compiler.packages import Extension
from fusec.compiler.slots import Input
from fusec.compiler.step import Method
from fusec.lang.types import noun
from fusec.lang.units import DISTINCT, Dimension, quantity_text


class Broken:
    """The type of `UNKNOWN`."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Broken()


class Measure(msgspec.Struct, frozen=True):
    """A quantity in the base unit of its dimension; `kind` keeps apart what does not convert."""

    value: int | float
    dimension: Dimension
    kind: str

    def __str__(self) -> str:
        return quantity_text(self.value, self.dimension, self.kind)


class Score(msgspec.Struct, frozen=True):
    """A number of a report, known only after the run: `after.code.loss`."""

    report: Ref
    path: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.report.node}.{'.'.join(self.path)}"


class Used(msgspec.Struct, frozen=True, eq=False):
    """A module by the name a `use` gave it; `checker` holds what the file declares."""

    name: str
    checker: Any


class Modules(dict[str, Any]):
    """The modules of a family by key; without a key its results have none either."""


def describe(value: Any) -> str:
    """What a value is, for messages: `Int`, `Size`, `model`, `List`."""
    if isinstance(value, Measure):
        return f"{value.dimension}[{value.kind}]" if value.dimension in DISTINCT else value.dimension
    if isinstance(value, Input):
        return noun(value.type)
    if isinstance(value, Method):
        return f"a {value.family} method"
    if isinstance(value, Score):
        return "a score"
    if isinstance(value, Extension):
        return "a package of verbs"
    if isinstance(value, Used):
        return "a module"
    if isinstance(value, Modules):
        return "a family of modules"
    names = {bool: "Bool", int: "Int", float: "Float", str: "Str", tuple: "List", dict: "Map"}
    return names.get(type(value), "nothing")


def written(value: Any) -> Any:
    """A plain value as data that any format holds; quantities as text."""
    if isinstance(value, tuple):
        return [written(item) for item in value]
    if isinstance(value, dict):
        return {key: written(item) for key, item in value.items()}
    return str(value) if isinstance(value, Measure) else value
