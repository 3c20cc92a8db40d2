"""The pages about units and functions of rows."""

from __future__ import annotations

from collections.abc import Iterator

from fusec.compiler.rowdocs import FUNCTION_DOCS
from fusec.compiler.rowexpr import FUNCTIONS
from fusec.lang.units import DISTINCT, MULTIPLIERS, UNITS, Dimension, Unit, grouped, quantity_text

Section = tuple[str, str]


def functions() -> Iterator[Section]:
    """Each function with its call and an example."""
    for name in FUNCTIONS:
        about = FUNCTION_DOCS[name]
        example = f"data made = text |> derive {{ x: {about.example} }}"
        yield f"`{about.call}`", f"Gives {about.gives}.\n\n```fuse\n{example}\n```"


def units() -> Iterator[Section]:
    """A table for each dimension: factor to its base, and what an amount is printed as."""
    by_dimension: dict[Dimension, list[Unit]] = {}
    for unit in UNITS.values():
        by_dimension.setdefault(unit.dimension, []).append(unit)
    for dimension, members in by_dimension.items():
        yield dimension, _table(dimension, members)
    factors = ", ".join(f"`{name}` is {grouped(factor)}" for name, factor in MULTIPLIERS.items())
    yield "Large numbers", f"A letter directly behind a number multiplies it: {factors}; `300M tokens`."


def _table(dimension: Dimension, members: list[Unit]) -> str:
    apart = dimension in DISTINCT and len({unit.kind for unit in members}) > 1
    lead = "Units of another base do not convert into each other.\n\n" if apart else ""
    rows = [f"| `{unit.name}` | {_factor(unit)} | `{_amount(unit)}` | {_read(unit)} |" for unit in members]
    table = "\n".join(["| unit | is | written | read as |", "|---|---|---|---|", *rows])
    example = f"let amount: {dimension} = {_amount(members[0])}"
    return f"{lead}{table}\n\n```fuse\n{example}\n```"


def _factor(unit: Unit) -> str:
    if unit.factor.denominator != 1:
        base = f" {unit.kind}" if unit.kind != unit.name else ""
        return f"1/{unit.factor.denominator}{base}"
    return f"{int(unit.factor):_} {unit.kind}"


def _amount(unit: Unit) -> str:
    return f"24{'' if unit.name == '%' else ' '}{unit.name}"


def _read(unit: Unit) -> str:
    return quantity_text(unit.base(24), unit.dimension, unit.kind)
