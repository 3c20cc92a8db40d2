"""Evaluates row expressions (`compiler/rowexpr.py`) over record batches, a column at a time.

Arrow does the arithmetic and the text; Python goes row by row only for `matches` (the syntax of `re`),
`parses`, `tokens` and `language`. Letter case follows Unicode one character to one; text is counted in
characters.

A missing value in an operator is a RunError that names the row, counted from 1 in the whole data set.
Expressions are type-checked before they come here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fusec.compiler.rowexpr import Col, Expr, Op
from fusec.runtime.kernel import RunError
from fusec.runtime.kernels.data import row_functions
from fusec.runtime.kernels.data.languages import languages

Values: TypeAlias = Any
"""A `pa.Array` with one value per row, or a `pa.Scalar` that stands for all of them."""


class Rows:
    """A batch whose rows know their numbers in the data set, for messages."""

    def __init__(self, batch: pa.RecordBatch, first: int = 0, numbers: np.ndarray | None = None) -> None:
        self.batch = batch
        self.numbers = np.arange(first, first + len(batch)) if numbers is None else numbers

    def where(self, mask: pa.BooleanArray) -> Rows:
        return Rows(self.batch.filter(mask), numbers=self.numbers[mask.to_numpy(zero_copy_only=False)])

    def number(self, place: int) -> int:
        return int(self.numbers[place]) + 1


def evaluate(expr: Expr, rows: Rows) -> pa.Array:
    """One value per row. Raises RunError for missing values, division by zero, overflow, bad indices."""
    return _spread(_value(expr, rows), len(rows.batch))


def _spread(values: Values, rows: int) -> pa.Array:
    if not isinstance(values, pa.Scalar):
        return values
    return pa.repeat(values, rows) if rows else pa.array([], values.type)


def _value(expr: Expr, rows: Rows) -> Values:
    if isinstance(expr, Col):
        return rows.batch.column(expr.name)
    if not isinstance(expr, Op):
        return pa.scalar(expr)
    if expr.name in ("and", "or"):
        return _decide(expr, rows)
    if expr.name in ("in", "not in"):
        inside = _membership(expr, rows)
        return inside if expr.name == "in" else pc.invert(inside)
    special = SPECIAL.get(expr.name)
    if special is not None:
        return special(expr, rows)
    args = [_present(arg, rows) for arg in expr.args]
    return _checked(ARROW[expr.name], args, expr, rows)


def _present(expr: Expr, rows: Rows) -> Values:
    """The values of an expression that must not be missing."""
    values = _value(expr, rows)
    if isinstance(values, pa.Array) and values.null_count:
        place = pc.index(pc.is_null(values), True).as_py()
        raise RunError(
            f"row {rows.number(place)} has no value in {_show(expr)}",
            hint="ask with `has(...)` first, or drop such rows with `filter { keep: has(...) }`",
        )
    return values


def _checked(function: Callable[..., Values], args: list[Values], expr: Op, rows: Rows) -> Values:
    """Calls Arrow; where it refuses, finds the first row that is to blame."""
    try:
        return function(*args)
    except pa.ArrowInvalid as error:
        for place in range(len(rows.batch)):
            one = [arg[place : place + 1] if isinstance(arg, pa.Array) else arg for arg in args]
            try:
                function(*one)
            except pa.ArrowInvalid:
                raise RunError(f"row {rows.number(place)}: {_show(expr)} fails, {error}") from None
        raise


def _decide(expr: Op, rows: Rows) -> Values:
    """`and` and `or`: the right side only where the left one leaves the answer open."""
    first, *rest = expr.args
    decided = _spread(_present(first, rows), len(rows.batch))
    for arg in rest:
        undecided = decided if expr.name == "and" else pc.invert(decided)
        open_rows = rows.where(undecided)
        answers = _spread(_present(arg, open_rows), len(open_rows.batch))
        decided = pc.replace_with_mask(decided, undecided, answers)
    return decided


def _membership(expr: Op, rows: Rows) -> Values:
    item, among = expr.args
    values = _present(item, rows)
    if isinstance(among, Op) and among.name == "range":
        low, high = (_present(end, rows) for end in among.args)
        return pc.and_(pc.greater_equal(values, low), pc.less_equal(values, high))
    if isinstance(among, Op) and among.name == "list":
        members = _list(among, rows).values
        if not len(members):
            members = members.cast(values.type)
        elif values.type != members.type:  # Int and Float meet as Float
            values, members = pc.cast(values, pa.float64()), members.cast(pa.float64())
        return pc.is_in(values, value_set=members)
    lists = _present(among, rows)
    return row_functions.in_lists(_spread(values, len(rows.batch)), _spread(lists, len(rows.batch)))


def _has(expr: Op, rows: Rows) -> Values:
    (subject,) = expr.args
    if isinstance(subject, Col):
        return pc.is_valid(rows.batch.column(subject.name))
    holder = evaluate(subject.args[0], rows)
    return row_functions.has_inside(holder, subject.args[1])


def _field(expr: Op, rows: Rows) -> Values:
    subject, name = expr.args
    return pc.struct_field(_present(subject, rows), name)


def _index(expr: Op, rows: Rows) -> Values:
    subject, at = expr.args
    if isinstance(at, str):
        return _field(expr, rows)
    lists = _present(subject, rows)
    places, short = row_functions.item_places(lists, at)
    if short.any():
        place = int(np.argmax(short))
        raise RunError(f"row {rows.number(place)}: {_show(subject)} has no item {at}")
    return lists.values.take(pa.array(places))


def _list(expr: Op, rows: Rows) -> pa.Scalar:
    return pa.array([list(expr.args)])[0]


def _by_text(
    function: Callable[[list[str], Any], list[Any]], kind: pa.DataType
) -> Callable[[Op, Rows], Values]:
    """Lifts a function of texts and one argument that is no column."""

    def lifted(expr: Op, rows: Rows) -> Values:
        texts = _present(expr.args[0], rows)
        if isinstance(texts, pa.Scalar):
            return pa.scalar(function([texts.as_py()], expr.args[1])[0], kind)
        return pa.array(function(texts.to_pylist(), expr.args[1]), kind)

    return lifted


def _replace(texts: Values, old: pa.Scalar, new: pa.Scalar) -> Values:
    return pc.replace_substring(texts, old.as_py(), new.as_py())


def _length(values: Values) -> Values:
    count = pc.utf8_length if pa.types.is_string(values.type) else pc.list_value_length
    return pc.cast(count(values), pa.int64())


def _plus(left: Values, right: Values) -> Values:
    if pa.types.is_string(left.type):
        return _join(left, right)
    return pc.add_checked(left, right)


def _join(*parts: Values) -> Values:
    return pc.binary_join_element_wise(*(pc.cast(part, pa.string()) for part in parts), "")


def _divide(left: Values, right: Values) -> Values:
    if pc.any(pc.equal(right, 0)).as_py():
        raise pa.ArrowInvalid("it divides by zero")
    return pc.divide(pc.cast(left, pa.float64()), pc.cast(right, pa.float64()))


ARROW: Mapping[str, Callable[..., Values]] = {
    "not": pc.invert,
    "==": pc.equal,
    "!=": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
    "+": _plus,
    "-": pc.subtract_checked,
    "*": pc.multiply_checked,
    "/": _divide,
    "neg": pc.negate_checked,
    "concat": _join,
    "len": _length,
    "lower": pc.utf8_lower,
    "upper": pc.utf8_upper,
    "strip": pc.utf8_trim_whitespace,
    "contains": lambda texts, part: pc.match_substring(texts, part.as_py()),
    "starts_with": lambda texts, start: pc.starts_with(texts, start.as_py()),
    "replace": _replace,
}

SPECIAL: Mapping[str, Callable[[Op, Rows], Values]] = {
    "has": _has,
    "field": _field,
    "index": _index,
    "list": _list,
    "matches": _by_text(row_functions.matches, pa.bool_()),
    "parses": _by_text(row_functions.parses, pa.bool_()),
    "tokens": _by_text(row_functions.tokens, pa.int64()),
    "language": _by_text(languages, pa.string()),
}


def _show(expr: Expr) -> str:
    return f"`{_text(expr)}`"


def _text(expr: Expr) -> str:
    if isinstance(expr, Col):
        return f".{expr.name}"
    if isinstance(expr, Op) and expr.name in ("field", "index"):
        inner, key = expr.args
        return f"{_text(inner)}.{key}" if isinstance(key, str) else f"{_text(inner)}[{key}]"
    if isinstance(expr, Op):
        args = [_text(arg) for arg in expr.args]
        return (
            f" {expr.name} ".join(args)
            if len(args) == 2 and not expr.name.isidentifier()
            else (f"{expr.name}({', '.join(args)})")
        )
    return repr(expr)
