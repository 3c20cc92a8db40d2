"""Column types as Arrow types and back, and the one Arrow form that data has on disk.

Text is `string`, whole numbers `int64`, numbers `double`; dictionaries, large and view types of Parquet
files turn into these, so equal values are equal bytes whoever wrote them.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.types as is_a

from fusec.lang.column_types import (
    BOOL,
    BYTES,
    FLOAT,
    INT,
    NULL,
    OTHER,
    STR,
    ColumnType,
    list_of,
    parse_column_type,
    row_of,
)

_SCALARS = {
    "Str": pa.string(),
    "Int": pa.int64(),
    "Float": pa.float64(),
    "Bool": pa.bool_(),
    "Bytes": pa.binary(),
    "Null": pa.null(),
}


def to_arrow(kind: ColumnType) -> pa.DataType:
    """The Arrow type of a column type; `Other` has none (KeyError)."""
    if kind.item is not None:
        return pa.list_(to_arrow(kind.item))
    if kind.name == "Row":
        return pa.struct([pa.field(name, to_arrow(field)) for name, field in kind.fields])
    return _SCALARS[kind.name]


def from_arrow(kind: pa.DataType) -> ColumnType:
    """The column type of any Arrow type; `Other` for dates, decimals, maps and the like."""
    if is_a.is_dictionary(kind):
        return from_arrow(kind.value_type)
    if is_a.is_struct(kind):
        return row_of(*((field.name, from_arrow(field.type)) for field in kind))
    if is_a.is_list(kind) or is_a.is_large_list(kind) or is_a.is_fixed_size_list(kind):
        return list_of(from_arrow(kind.value_type))
    for test, scalar in _TESTS:
        if test(kind):
            return scalar
    return OTHER


_TESTS = (
    (lambda t: is_a.is_string(t) or is_a.is_large_string(t) or is_a.is_string_view(t), STR),
    (is_a.is_integer, INT),
    (is_a.is_floating, FLOAT),
    (is_a.is_boolean, BOOL),
    (lambda t: is_a.is_binary(t) or is_a.is_large_binary(t) or is_a.is_fixed_size_binary(t), BYTES),
    (is_a.is_null, NULL),
)


def canonical(kind: pa.DataType) -> pa.DataType:
    """The on-disk form of an Arrow type; types without a column type of their own stay as they are."""
    if is_a.is_struct(kind):
        return pa.struct([pa.field(field.name, canonical(field.type)) for field in kind])
    if is_a.is_list(kind) or is_a.is_large_list(kind) or is_a.is_fixed_size_list(kind):
        return pa.list_(canonical(kind.value_type))
    scalar = from_arrow(kind)
    return kind if scalar == OTHER else to_arrow(scalar)


def schema_columns(schema: pa.Schema) -> tuple[tuple[str, str], ...]:
    """(name, type text) of every field."""
    return tuple((field.name, str(from_arrow(field.type))) for field in schema)


def columns_schema(columns: tuple[tuple[str, str], ...]) -> pa.Schema:
    """The schema of columns that hold no `Other`."""
    return pa.schema([(name, to_arrow(parse_column_type(text))) for name, text in columns])
