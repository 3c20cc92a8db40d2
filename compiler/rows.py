"""Row expressions of a spec as `Col` and `Op`, with their types checked on the way.

Names without a dot are compile-time values and become literals; `"Q: {.question}"` becomes `concat`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fusec.compiler.dropped import where_dropped
from fusec.compiler.evaluate import choose
from fusec.compiler.rowexpr import FUNCTIONS, LANGUAGE_MODEL, NAMED, Col, Op, RowProblem, column_type
from fusec.compiler.scope import Scope
from fusec.compiler.slots import Input
from fusec.compiler.values import UNKNOWN, Broken, Measure, describe
from fusec.lang import tree
from fusec.lang.codes.fuse103_unknown_slot import UnknownSlot
from fusec.lang.codes.fuse107_unknown_verb import UnknownVerb
from fusec.lang.codes.fuse204_column_missing import ColumnMissing
from fusec.lang.codes.fuse205_column_type import ColumnTypeDiffers
from fusec.lang.codes.fuse207_kind_differs import KindDiffers
from fusec.lang.column_types import ColumnType
from fusec.lang.source import Span
from fusec.lang.types import TokenizerType

if TYPE_CHECKING:
    from fusec.compiler.check import Checker

Columns = Mapping[str, ColumnType]


def row_expression(c: Checker, expr: tree.Expr, scope: Scope, columns: Columns, by: str) -> Any:
    """`expr` over rows with `columns`, or UNKNOWN after a report."""
    reader = _Rows(c, scope, columns, by)
    return reader.read(expr)


class _Rows:
    def __init__(self, c: Checker, scope: Scope, columns: Columns, by: str) -> None:
        self.c, self.scope, self.columns, self.by = c, scope, columns, by

    def read(self, expr: tree.Expr) -> Any:
        made = self._read(expr)
        if isinstance(made, Broken):
            return made
        found = column_type(made, self.columns)
        if not isinstance(found, RowProblem):
            return made
        self._report(found, expr.span)
        return UNKNOWN

    def _read(self, expr: tree.Expr) -> Any:
        match expr:
            case tree.Column():
                return Col(expr.id)
            case tree.Binary(op=".."):
                return self._op("range", expr.left, expr.right)
            case tree.Binary():
                return self._op(expr.op, expr.left, expr.right)
            case tree.Unary(op="-"):
                return self._op("neg", expr.value)
            case tree.Unary(op="not"):
                return self._op("not", expr.value)
            case tree.Unary():
                return self.read(expr.value)
            case tree.Field():
                return self._field(expr)
            case tree.Index():
                value, key = self.read(expr.value), self.c.evaluate(expr.key, self.scope)
                return UNKNOWN if _broken(value, key) else Op("index", (value, key))
            case tree.Text() if expr.literal is None:
                return self._template(expr)
            case tree.List():
                return self._op("list", *expr.items)
            case tree.Call():
                return self._call(expr)
            case tree.IfElse():
                return self._choice(expr)
            case _:
                return self._static(expr)

    def _op(self, name: str, *args: tree.Expr) -> Any:
        made = tuple(self._member(arg) if name in ("in", "not in") else self.read(arg) for arg in args)
        return UNKNOWN if _broken(*made) else Op(name, made)

    def _member(self, expr: tree.Expr) -> Any:
        """A range has no type of its own: it stands behind `in` only, which checks it."""
        ranges = isinstance(expr, tree.Binary) and expr.op == ".."
        return self._read(expr) if ranges else self.read(expr)

    def _field(self, expr: tree.Field) -> Any:
        root: tree.Expr = expr
        while isinstance(root, tree.Field):
            root = root.value
        if not isinstance(root, (tree.Column, tree.Index)):
            return self._static(expr)
        value = self.read(expr.value)
        return UNKNOWN if _broken(value) else Op("field", (value, expr.name.id))

    def _template(self, expr: tree.Text) -> Any:
        parts = tuple(part if isinstance(part, str) else self.read(part) for part in expr.parts)
        if _broken(*parts):
            return UNKNOWN
        return Op("concat", tuple(part for part in parts if part != ""))

    def _choice(self, expr: tree.IfElse) -> Any:
        arms = choose(self.c, expr, self.scope)
        if arms is None:
            return UNKNOWN
        self.read(arms[1])
        return self.read(arms[0])

    def _call(self, expr: tree.Call) -> Any:
        if not isinstance(expr.callee, tree.Name) or expr.callee.id not in FUNCTIONS:
            known = FUNCTIONS if isinstance(expr.callee, tree.Name) else ()
            self.c.report(
                UnknownVerb(name=expr.callee.span.text, at=expr.callee.span, known=known, what="function")
            )
            return UNKNOWN
        function = expr.callee.id
        args = tuple(self._argument(function, position, arg) for position, arg in enumerate(expr.args))
        if function == "language":
            args += (LANGUAGE_MODEL,)
        return UNKNOWN if _broken(*args) else Op(function, args)

    def _argument(self, function: str, position: int, arg: tree.Arg) -> Any:
        second = NAMED.get(function, "")
        if arg.name is not None and arg.name.id != second:
            name, known = arg.name, (second,) if second else ()
            self.c.report(
                UnknownSlot(owner=function, name=name.id, at=name.span, known=known, what="argument")
            )
            return UNKNOWN
        if function == "tokens" and (position == 1 or arg.name is not None):
            return self._tokenizer(arg.value)
        return self.read(arg.value)

    def _tokenizer(self, expr: tree.Expr) -> Any:
        value = self.c.evaluate(expr, self.scope)
        if isinstance(value, Input) and isinstance(value.type, TokenizerType):
            return value.ref
        if isinstance(value, Broken):
            return UNKNOWN
        return self.c.wrong(expr.span, describe(value), "Tokenizer", "`by` of `tokens`", expr)

    def _static(self, expr: tree.Expr) -> Any:
        """A literal: whatever the compiler can compute without looking at rows."""
        value = self.c.evaluate(expr, self.scope)
        if isinstance(value, Measure):
            return value.value
        if isinstance(value, tuple) and all(isinstance(item, (str, int, float)) for item in value):
            return Op("list", value)
        if value is UNKNOWN or isinstance(value, (bool, int, float, str)):
            return value
        self.c.report(
            KindDiffers(at=expr.span, got=describe(value), wants="a column or a constant", by=self.by)
        )
        return UNKNOWN

    def _report(self, problem: RowProblem, at: Span) -> None:
        if problem.kind == "missing_column" and isinstance(problem.at, Col):
            has = tuple(self.columns)
            why = "an expression over rows can only read columns that the rows have"
            column, rows = problem.at.name, self.c.rows_of
            lost = where_dropped(self.c.steps, rows, column) if isinstance(rows, Input) else None
            self.c.report(
                ColumnMissing(needs=self.by, column=column, at=at, has=has, why_needed=why, dropped_at=lost)
            )
        else:
            self.c.report(
                ColumnTypeDiffers(column="", at=at, has="", wants="", by=self.by, clause=problem.what)
            )


def _broken(*values: Any) -> bool:
    return any(isinstance(value, Broken) for value in values)
