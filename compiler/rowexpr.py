"""Expressions over one row: their form, their types, the columns they read.

An expression is a `Col`, an `Op` over expressions, or a literal (str, int, float, bool). The kernels in
`runtime/kernels/data` evaluate them over record batches.

Missing values: a column that is copied keeps them, `has(.c)` asks for them, and any other use of one is an
error that names the row. `and` and `or` look at their right side only where the left one does not decide,
so `has(.c) and len(.c) > 3` is safe.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import msgspec

from fusec.lang.column_types import BOOL, FLOAT, INT, NULL, STR, ColumnType, list_of, unify


class Col(msgspec.Struct, frozen=True):
    """`.name`: one column of the row."""

    name: str


class Op(msgspec.Struct, frozen=True):
    """An operator or function over arguments; `OPS` lists the names."""

    name: str
    args: tuple[Any, ...] = ()


Expr = Any
"""`Col`, `Op` or a literal; `tokens` takes whatever stands for a tokenizer as its second argument."""


class RowProblem(msgspec.Struct, frozen=True):
    """Why an expression has no type; `at` is the smallest expression that is wrong."""

    kind: Literal["missing_column", "type", "arity", "function", "value"]
    what: str
    at: Expr


Columns = Mapping[str, ColumnType]


def columns_read(expr: Expr) -> tuple[str, ...]:
    """The columns an expression mentions, each once, in order of appearance."""
    return tuple(dict.fromkeys(_columns(expr)))


def column_type(expr: Expr, columns: Columns) -> ColumnType | RowProblem:
    """The type of an expression over rows with these columns, or what is wrong with it."""
    try:
        return _type(expr, columns)
    except _Wrong as wrong:
        return wrong.problem


def _columns(expr: Expr) -> Iterator[str]:
    if isinstance(expr, Col):
        yield expr.name
    elif isinstance(expr, Op):
        for arg in expr.args:
            yield from _columns(arg)


class _Wrong(Exception):
    def __init__(self, kind: Any, what: str, at: Expr) -> None:
        super().__init__(what)
        self.problem = RowProblem(kind, what, at)


def _type(expr: Expr, columns: Columns) -> ColumnType:
    if isinstance(expr, Col):
        if expr.name not in columns:
            raise _Wrong("missing_column", f"there is no column `{expr.name}`", expr)
        return columns[expr.name]
    if isinstance(expr, Op):
        if expr.name not in OPS:
            raise _Wrong("function", f"`{expr.name}` is not a function of rows", expr)
        least, most, rule = OPS[expr.name]
        if len(expr.args) < least or (most is not None and len(expr.args) > most):
            raise _Wrong("arity", f"`{expr.name}` takes {_count(least, most)}", expr)
        return rule(expr, columns)
    for literal, kind in ((bool, BOOL), (int, INT), (float, FLOAT), (str, STR)):
        if isinstance(expr, literal):
            return kind
    raise _Wrong("value", "this is not a value of rows", expr)


def _count(least: int, most: int | None) -> str:
    if most is None:
        return f"at least {least} arguments"
    return f"{least} argument{'s' * (least != 1)}"


def _want(expr: Expr, columns: Columns, wanted: tuple[str, ...], by: str) -> ColumnType:
    kind = _type(expr, columns)
    if kind.name not in wanted:
        raise _Wrong("type", f"{by} needs {' or '.join(wanted)}, this is {kind}", expr)
    return kind


def _each(wanted: tuple[str, ...], gives: ColumnType) -> Callable[[Op, Columns], ColumnType]:
    def rule(op: Op, columns: Columns) -> ColumnType:
        for arg in op.args:
            _want(arg, columns, wanted, "a template" if op.name == "concat" else f"`{op.name}`")
        return gives

    return rule


def _comparable(op: Op, columns: Columns) -> ColumnType:
    wanted = ("Str", "Int", "Float", "Bool") if op.name in ("==", "!=") else ("Str", "Int", "Float")
    left, right = (_want(arg, columns, wanted, f"`{op.name}`") for arg in op.args)
    if unify(left, right) is None:
        raise _Wrong("type", f"`{op.name}` compares like with like, these are {left} and {right}", op)
    return BOOL


def _membership(op: Op, columns: Columns) -> ColumnType:
    item, among = op.args
    kind = _want(item, columns, ("Str", "Int", "Float", "Bool"), f"`{op.name}`")
    if isinstance(among, Op) and among.name == "range":
        _want(item, columns, ("Int", "Float"), "a range")
        members = _range(among, columns)
    else:
        members = _type(among, columns)
    if members.item is None:
        raise _Wrong("type", f"`{op.name}` looks into a list or a range, this is {members}", among)
    if unify(kind, members.item) is None:
        raise _Wrong("type", f"a {kind} is never in a {members}", op)
    return BOOL


def _range(op: Op, columns: Columns) -> ColumnType:
    ends = [_want(arg, columns, ("Int", "Float"), "a range") for arg in op.args]
    return list_of(FLOAT if FLOAT in ends else INT)


def _stray_range(op: Op, columns: Columns) -> ColumnType:
    raise _Wrong("value", "a range stands behind `in` only", op)


def _list(op: Op, columns: Columns) -> ColumnType:
    item = NULL
    for arg in op.args:
        if isinstance(arg, Col | Op):
            raise _Wrong("value", "a list in a row expression holds literals", arg)
        joined = unify(item, _type(arg, columns))
        if joined is None:
            raise _Wrong("type", "the members of a list have one type", arg)
        item = joined
    return list_of(item)


def _arithmetic(op: Op, columns: Columns) -> ColumnType:
    wanted = ("Str", "Int", "Float") if op.name == "+" else ("Int", "Float")
    by = "`-`" if op.name == "neg" else f"`{op.name}`"
    kinds = [_want(arg, columns, wanted, by) for arg in op.args]
    joined = kinds[0] if len(kinds) == 1 else unify(kinds[0], kinds[1])
    if joined is None:
        raise _Wrong("type", f"`{op.name}` joins like with like, these are {kinds[0]} and {kinds[1]}", op)
    return FLOAT if op.name == "/" else joined


def _field(op: Op, columns: Columns) -> ColumnType:
    subject, name = op.args
    row = _want(subject, columns, ("Row",), f"`.{name}`")
    kind = row.field(name)
    if kind is None:
        has = ", ".join(field for field, _ in row.fields)
        raise _Wrong("missing_column", f"there is no `{name}` in the row, it has {has}", op)
    return kind


def _index(op: Op, columns: Columns) -> ColumnType:
    subject, at = op.args
    if isinstance(at, str):
        return _field(op, columns)
    if isinstance(at, bool) or not isinstance(at, int):
        raise _Wrong("value", "an index into a list is a whole number", at)
    kind = _want(subject, columns, ("List",), "an index")
    assert kind.item is not None
    return kind.item


def _has(op: Op, columns: Columns) -> ColumnType:
    (subject,) = op.args
    if isinstance(subject, Col) or (isinstance(subject, Op) and subject.name in ("field", "index")):
        _type(subject, columns)
        return BOOL
    raise _Wrong("value", "`has` asks about a column", subject)


def _text_and_literals(op: Op, columns: Columns) -> ColumnType:
    subject, *literals = op.args
    _want(subject, columns, ("Str",), f"`{op.name}`")
    for literal in literals:
        if not isinstance(literal, str):
            raise _Wrong("value", f"`{op.name}` takes literal text here", literal)
    return STR if op.name == "replace" else BOOL


def _matches(op: Op, columns: Columns) -> ColumnType:
    kind = _text_and_literals(op, columns)
    try:
        re.compile(op.args[1])
    except re.error as error:
        raise _Wrong("value", f"not a regular expression: {error}", op.args[1]) from None
    return kind


def _parses(op: Op, columns: Columns) -> ColumnType:
    kind = _text_and_literals(op, columns)
    if op.args[1] not in LANGUAGES:
        known = ", ".join(LANGUAGES)
        raise _Wrong("value", f"no parser for {op.args[1]!r}, there are {known}", op.args[1])
    return kind


def _tokens(op: Op, columns: Columns) -> ColumnType:
    _want(op.args[0], columns, ("Str",), "`tokens`")
    return INT


def _language(op: Op, columns: Columns) -> ColumnType:
    _want(op.args[0], columns, ("Str",), "`language`")
    return STR


LANGUAGES = ("python", "json")

LANGUAGE_MODEL = "py3langid 0.4.0"
"""What tells languages apart. It stands in every `language(...)` of a graph as a second argument, and so in
the identity of what depends on it: another version is another result."""

_TEXT, _TRUTH = ("Str",), ("Bool",)

OPS: dict[str, tuple[int, int | None, Callable[[Op, Columns], ColumnType]]] = {
    "or": (2, None, _each(_TRUTH, BOOL)),
    "and": (2, None, _each(_TRUTH, BOOL)),
    "not": (1, 1, _each(_TRUTH, BOOL)),
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">="), (2, 2, _comparable)),
    "in": (2, 2, _membership),
    "not in": (2, 2, _membership),
    "range": (2, 2, _stray_range),
    "list": (0, None, _list),
    **dict.fromkeys(("+", "-", "*", "/"), (2, 2, _arithmetic)),
    "neg": (1, 1, _arithmetic),
    "field": (2, 2, _field),
    "index": (2, 2, _index),
    "concat": (1, None, _each(("Str", "Int"), STR)),
    "len": (1, 1, _each(("Str", "List"), INT)),
    "lower": (1, 1, _each(_TEXT, STR)),
    "upper": (1, 1, _each(_TEXT, STR)),
    "strip": (1, 1, _each(_TEXT, STR)),
    "has": (1, 1, _has),
    "matches": (2, 2, _matches),
    "parses": (2, 2, _parses),
    "tokens": (2, 2, _tokens),
    "language": (1, 2, _language),
    "contains": (2, 2, _text_and_literals),
    "starts_with": (2, 2, _text_and_literals),
    "replace": (3, 3, _text_and_literals),
}
"""Every operator and function: least and most arguments, and its type rule."""

OPERATORS = frozenset(("or", "and", "not", "in", "neg", "range", "list", "field", "index", "concat"))
FUNCTIONS = tuple(name for name in OPS if name.isidentifier() and name not in OPERATORS)
"""What a spec may call, `len(.text)`; the others have marks of their own."""

NAMED = {"tokens": "by", "parses": "as_language"}
"""Functions whose second argument may be written with its name."""
