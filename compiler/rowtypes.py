"""Helpers for verbs over rows: the type of the input and of what an expression makes of it."""

from __future__ import annotations

from typing import Any

import msgspec

from fusec.compiler.cost import Cost, Range, exactly
from fusec.compiler.rowexpr import RowProblem, column_type
from fusec.compiler.slots import Input
from fusec.compiler.step import Site
from fusec.lang.codes.fuse212_out_of_range import OutOfRange
from fusec.lang.column_types import OTHER, ColumnType
from fusec.lang.types import DataType, Type, Unknown

ROW_FLOPS = 200.0


def rows_of(value: Input) -> DataType | None:
    """The type of a data input, None when it is broken."""
    return value.type if isinstance(value.type, DataType) else None


def typed(expr: Any, columns: tuple[tuple[str, ColumnType], ...]) -> ColumnType:
    """The type of an expression that the checker has already accepted."""
    found = column_type(expr, dict(columns))
    return OTHER if isinstance(found, RowProblem) else found


def need_slots(site: Site, verb: str, columns: tuple[tuple[str, Any], ...]) -> None:
    """Report a block that names no column."""
    if not columns:
        allowed = "one slot per column, such as `text: .text`"
        site.report(
            OutOfRange(at=site.at("columns"), what=f"the block of `{verb}`", got="empty", allowed=allowed)
        )


def same_columns(value: Input, *, rows: int | None = None, share: float = 1.0) -> Type:
    """The input's type with another size: `rows` when known, else unknown."""
    data = rows_of(value)
    if data is None:
        return Unknown()
    size = int(data.bytes * share) if data.bytes >= 0 else -1
    return msgspec.structs.replace(data, rows=-1 if rows is None else rows, bytes=size)


def scan(value: Input, *, low: float = 0.0, likely: float = 1.0) -> Cost:
    """Reading all rows once and writing between `low` and all of them."""
    data = rows_of(value)
    size = float(max(data.bytes, 0)) if data else 0.0
    return Cost(
        reads=exactly(size),
        writes=Range(size * low, size * likely, size * 1.1),
        flops=Range(0.0, size * 2, size * ROW_FLOPS),
        memory=Range(32e6, 64e6, 256e6),
    )
