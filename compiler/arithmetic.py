"""Operators on values that are known while compiling: quantities keep their units, numbers fit 64 bits."""

from __future__ import annotations

import operator
from collections.abc import Callable
from math import inf, isfinite
from typing import TYPE_CHECKING, Any

from fusec.compiler.values import UNKNOWN, Measure, describe
from fusec.lang import tree
from fusec.lang.codes.fuse206_units_differ import UnitsDiffer
from fusec.lang.codes.fuse212_out_of_range import OutOfRange
from fusec.lang.source import Span
from fusec.lang.units import UNITS
from fusec.lang.wording import an

if TYPE_CHECKING:
    from fusec.compiler.check import Checker

COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
MAX_TEXT = 100_000
"""How many characters a text made of others may have."""

ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}

PER_TIME = {"B/s": ("B", 1), "tokens/s": ("tokens", 1), "USD/h": ("USD", 3600), "EUR/h": ("EUR", 3600)}
"""What each rate or price counts, and in how many seconds."""


def number(c: Checker, expr: tree.Number) -> Any:
    """The number as written."""
    if expr.value == inf:  # the parser has said so
        return UNKNOWN
    return _held(c, expr.value, expr.span)


def text(c: Checker, value: str, at: Span) -> Any:
    """A text made of others, unless it has grown beyond use."""
    if len(value) <= MAX_TEXT:
        return value
    got = f"{len(value):_} characters long"
    c.report(OutOfRange(at=at, what="a text", got=got, allowed=f"{MAX_TEXT:_} characters"))
    return UNKNOWN


def quantity(c: Checker, expr: tree.Quantity) -> Any:
    """`24 GB` in the base unit of its dimension; half a row does not exist."""
    unit = UNITS.get(expr.unit)
    if unit is None or expr.value == inf:  # the parser has said so
        return UNKNOWN
    if unit.dimension == "Count" and expr.value != int(expr.value):
        allowed = f"a whole number of {unit.kind}"
        c.report(OutOfRange(at=expr.span, what="a count", got=f"`{expr.span.text}`", allowed=allowed))
        return UNKNOWN
    try:
        base = unit.base(expr.value)
    except OverflowError:
        base = inf
    return _held(c, Measure(base, unit.dimension, unit.kind), expr.span)


def binary(c: Checker, expr: tree.Binary, left: Any, right: Any) -> Any:
    """`left op right`, or UNKNOWN after a report."""
    op = expr.op
    if op in ("and", "or"):
        return _logic(c, expr, left, right)
    if op in ("in", "not in"):
        if not isinstance(right, (tuple, dict)):
            return c.wrong(expr.right.span, describe(right), "a list or a map", f"`{op}`")
        return (left in right) == (op == "in")
    if op == "..":
        return c.wrong(expr.span, "a range", "a value", "this place")
    if op in COMPARE:
        return _compare(c, expr, left, right)
    return _arithmetic(c, expr, left, right)


def unary(c: Checker, expr: tree.Unary, value: Any) -> Any:
    """`not value`, `-value`, `+value`, or UNKNOWN after a report."""
    if expr.op == "not":
        if isinstance(value, bool):
            return not value
        return c.wrong(expr.value.span, describe(value), "Bool", "`not`")
    if not _is_amount(value):
        return c.wrong(expr.value.span, describe(value), "a number", f"`{expr.op}`")
    if expr.op == "+":
        return value
    return Measure(-value.value, value.dimension, value.kind) if isinstance(value, Measure) else -value


def amount(value: Any) -> Any:
    """A quantity as its number in the base unit; anything else as it is."""
    return value.value if isinstance(value, Measure) else value


def _held(c: Checker, value: Any, at: Span) -> Any:
    """The value, or UNKNOWN after a report where 64 bits do not hold it."""
    size = amount(value)
    if -(2**63) <= size < 2**63 if isinstance(size, int) else isfinite(size):
        return value
    allowed = "whole numbers of 64 bits and finite Floats"
    c.report(OutOfRange(at=at, what="a number", got="this large", allowed=allowed))
    return UNKNOWN


def _is_amount(value: Any) -> bool:
    return isinstance(value, (int, float, Measure)) and not isinstance(value, bool)


def _logic(c: Checker, expr: tree.Binary, left: Any, right: Any) -> Any:
    for side, value in ((expr.left, left), (expr.right, right)):
        if not isinstance(value, bool):
            return c.wrong(side.span, describe(value), "Bool", f"`{expr.op}`")
    return (left and right) if expr.op == "and" else (left or right)


def _compare(c: Checker, expr: tree.Binary, left: Any, right: Any) -> Any:
    if isinstance(left, Measure) or isinstance(right, Measure):
        if not _same_unit(c, expr, left, right):
            return UNKNOWN
        return COMPARE[expr.op](amount(left), amount(right))
    numbers = _is_amount(left) and _is_amount(right)
    if numbers or type(left) is type(right) is str:
        return COMPARE[expr.op](left, right)
    if expr.op in ("==", "!=") and type(left) is type(right):
        return COMPARE[expr.op](left, right)
    if type(left) is type(right):
        return c.wrong(expr.left.span, describe(left), "a number or a Str", f"`{expr.op}`")
    return c.wrong(expr.right.span, describe(right), describe(left), f"`{expr.op}`")


def _arithmetic(c: Checker, expr: tree.Binary, left: Any, right: Any) -> Any:
    if isinstance(left, str) and isinstance(right, str) and expr.op == "+":
        return text(c, left + right, expr.span)
    for side, value in ((expr.left, left), (expr.right, right)):
        if not _is_amount(value):
            return c.wrong(side.span, describe(value), "a number", f"`{expr.op}`")
    if expr.op == "/" and amount(right) == 0:
        c.report(OutOfRange(at=expr.right.span, what="the divisor", got="0", allowed="a number other than 0"))
        return UNKNOWN
    value = ARITHMETIC[expr.op](amount(left), amount(right))
    if not isinstance(left, Measure) and not isinstance(right, Measure):
        return _held(c, value, expr.span)
    if expr.op in "+-":
        if not _same_unit(c, expr, left, right):
            return UNKNOWN
        one = left if isinstance(left, Measure) else right
        return _held(c, Measure(value, one.dimension, one.kind), expr.span)
    return _scale(c, expr, left, right, value)


def _scale(c: Checker, expr: tree.Binary, left: Any, right: Any, value: int | float) -> Any:
    """`2 * 8 GB`, `24 GB / 3`, `24 GB / 8 GB`, and a share of anything; `value` is the bare result.

    What is paid or done per time goes with times: `2 USD/h * 3 h`, `24 GB / 2 GB/s`, `6 USD / 3 h`.
    """
    both = isinstance(left, Measure) and isinstance(right, Measure)
    over_time = _over_time(expr, left, right) if both else None
    if over_time is not None:
        return _held(c, over_time, expr.span)
    if both and expr.op == "/":
        return value if _same_unit(c, expr, left, right) else UNKNOWN
    if both and "Share" not in (left.dimension, right.dimension):
        return c.wrong(expr.span, "a product of two quantities", "a number", "`*`")
    if expr.op == "/" and not isinstance(left, Measure):
        return c.wrong(expr.right.span, describe(right), "a number", "`/`")
    one = right if not isinstance(left, Measure) or (both and left.dimension == "Share") else left
    whole = round(value) if one.dimension in ("Size", "Count") and isfinite(value) else value
    return _held(c, Measure(whole, one.dimension, one.kind), expr.span)


def _over_time(expr: tree.Binary, left: Measure, right: Measure) -> Measure | None:
    """A rate or price with a time or with what it counts; None where the two are not of that sort."""
    for rate, (counted, seconds) in PER_TIME.items():
        match expr.op, left.kind, right.kind:
            case ("*", "s", kind) | ("*", kind, "s") if kind == rate:
                return _of(counted, left.value * right.value / seconds)
            case "/", kind, other if (kind, other) == (counted, rate):
                return _of("s", left.value / right.value * seconds)
            case "/", kind, "s" if kind == counted:
                return _of(rate, left.value / right.value * seconds)
    return None


def _of(unit: str, value: float) -> Measure:
    dimension = UNITS[unit].dimension
    whole = dimension in ("Size", "Count") and isfinite(value)
    return Measure(round(value) if whole else value, dimension, UNITS[unit].kind)


def _same_unit(c: Checker, expr: tree.Binary, left: Any, right: Any) -> bool:
    """Whether both sides measure the same; a bare whole number fits any count."""
    a, b = _unit(left), _unit(right)
    for one, other in ((left, b), (right, a)):
        if isinstance(one, int) and not isinstance(one, bool) and other[0] == "Count":
            return True
    if a == b:
        return True
    got = f"`{expr.right.span.text}` is {an(describe(right))}"
    c.report(UnitsDiffer(at=expr.right.span, got=got, wants=describe(left), what=f"`{expr.op}`"))
    return False


def _unit(value: Any) -> tuple[str, str]:
    return (value.dimension, value.kind) if isinstance(value, Measure) else (describe(value), "")
