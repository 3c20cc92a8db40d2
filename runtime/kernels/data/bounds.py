"""What a condition can come to for rows of which only the least and greatest values are known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from fusec.compiler.rowexpr import Col, Expr, Op


class Bounds(NamedTuple):
    """The values of one column lie between `low` and `high`, none is missing; NaN may be among floats."""

    low: Any
    high: Any


BOTH = frozenset((True, False))
MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


def outcomes(condition: Expr, bounds: Mapping[str, Bounds]) -> frozenset[bool]:
    """Every value that the condition may have for such rows, and perhaps others: never too few."""
    if isinstance(condition, bool):
        return frozenset((condition,))
    if isinstance(condition, Col) and condition.name in bounds:
        return frozenset(map(bool, bounds[condition.name]))
    if not isinstance(condition, Op):
        return BOTH
    if condition.name == "not":
        return frozenset(not value for value in outcomes(condition.args[0], bounds))
    if condition.name in ("and", "or"):
        parts = [outcomes(arg, bounds) for arg in condition.args]
        ends = condition.name == "or"  # the value that one part is enough for
        found = {ends} if any(ends in part for part in parts) else set()
        return frozenset(found | ({not ends} if all((not ends) in part for part in parts) else set()))
    if condition.name in MIRRORED:
        left, right = condition.args
        name = condition.name
        if not isinstance(left, Col):
            left, right, name = right, left, MIRRORED[name]
        if isinstance(left, Col) and left.name in bounds and not isinstance(right, (Col, Op)):
            return _compared(name, bounds[left.name], right)
    if condition.name in ("in", "not in"):
        inside = _inside(condition.args[0], condition.args[1], bounds)
        return inside if condition.name == "in" else frozenset(not value for value in inside)
    return BOTH


def _compared(name: str, column: Bounds, value: Any) -> frozenset[bool]:
    low, high = column
    true, false = {
        "<": (low < value, high >= value),
        "<=": (low <= value, high > value),
        ">": (high > value, low <= value),
        ">=": (high >= value, low < value),
        "==": (low <= value <= high, not low == high == value),
        "!=": (not low == high == value, low <= value <= high),
    }[name]
    if isinstance(low, float):  # a NaN is outside of bounds, and differs from everything
        true, false = (True, false) if name == "!=" else (true, True)
    return frozenset((True,) * true + (False,) * false)


def _inside(item: Expr, among: Expr, bounds: Mapping[str, Bounds]) -> frozenset[bool]:
    if not (isinstance(item, Col) and item.name in bounds and isinstance(among, Op)):
        return BOTH
    if any(isinstance(value, (Col, Op)) for value in among.args):
        return BOTH
    column = bounds[item.name]
    if among.name == "range":
        least, most = among.args
        return outcomes(Op("and", (Op(">=", (item, least)), Op("<=", (item, most)))), bounds)
    hit = any(column.low <= value <= column.high for value in among.args)
    return BOTH if hit else frozenset((False,))
