"""JSON Lines as rows: one object per line, blank lines skipped.

Objects are rows, lists are lists. A key that a line lacks is a missing value, like `null`; using it later
is an error that names the row. One column has one type over all lines, except that whole numbers widen to
`Float`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from fusec.lang.column_types import BOOL, FLOAT, INT, NULL, STR, ColumnType, list_of, row_of, unify
from fusec.runtime.sources.locate import SourceFile
from fusec.runtime.sources.problems import Unusable
from fusec.runtime.sources.reads import READS
from fusec.runtime.sources.text_rows import ROWS_PER_BATCH, not_utf8

if TYPE_CHECKING:
    import pyarrow as pa

PEEK_BYTES = 1 << 20
INT64 = range(-(2**63), 2**63)


def peek(
    files: tuple[SourceFile, ...], options: Mapping[str, Any]
) -> tuple[tuple[tuple[str, str], ...], int | None]:
    """The columns that the first block of the first file shows; one line at least, however long."""
    file = next((file for file in files if file.size), files[0])
    with file.path.open("rb") as stream:
        block = stream.read(PEEK_BYTES)
        if len(block) == PEEK_BYTES:
            whole, newline, rest = block.rpartition(b"\n")
            block = whole if newline else rest + stream.readline()
    READS.headers += len(block)
    columns, _ = _infer(_decode(file, enumerate(block.split(b"\n"), 1)))
    if not columns:
        raise Unusable("damaged", f"{file.name} holds no row with a column", where=file.path)
    return columns, None


def scan(
    files: tuple[SourceFile, ...], options: Mapping[str, Any]
) -> tuple[tuple[tuple[str, str], ...], int]:
    return _infer(_rows(files))


def read(
    files: tuple[SourceFile, ...], options: Mapping[str, Any], schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    rows = _rows(files)
    while part := list(islice(rows, ROWS_PER_BATCH)):
        try:
            columns = [pa.array([row.get(f.name) for _, _, row in part], f.type) for f in schema]
        except (pa.ArrowInvalid, UnicodeEncodeError) as error:
            raise _unfit(part, schema) or error from None
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _unfit(part: list[Row], schema: pa.Schema) -> Unusable | None:
    """The first row with a value that its column cannot hold, such as 2**60 + 1 among floats."""
    import pyarrow as pa

    for file, line, row in part:
        for field in schema:
            try:
                pa.array([row.get(field.name)], field.type)
            except (pa.ArrowInvalid, UnicodeEncodeError) as error:
                return _damaged(file, line, f"`{field.name}`: {error}")
    return None


Row = tuple[SourceFile, int, dict[str, Any]]


def _rows(files: tuple[SourceFile, ...]) -> Iterator[Row]:
    for file in files:
        with file.path.open("rb") as stream:
            yield from _decode(file, enumerate(stream, 1))
        READS.payload += file.size


def _decode(file: SourceFile, lines: Iterator[tuple[int, bytes]]) -> Iterator[Row]:
    decode = msgspec.json.Decoder().decode
    offset = 0
    for number, line in lines:
        content = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        if content.strip():
            try:
                row = decode(content)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                _check_text(file, line, offset)
                raise _damaged(file, number, str(error)) from None
            if not isinstance(row, dict):
                raise _damaged(file, number, f"a JSON {_json_name(row)}, where a row is an object")
            yield file, number, row
        offset += len(line.rstrip(b"\n")) + 1


def _check_text(file: SourceFile, line: bytes, offset: int) -> None:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise not_utf8(file, offset + error.start) from None


def _damaged(file: SourceFile, line: int, why: str) -> Unusable:
    return Unusable(
        "damaged",
        f"{file.name} line {line} is not a row: {why}",
        hint="mend the line, or write the file with one JSON object per line",
        where=file.path,
    )


def _json_name(value: Any) -> str:
    return {list: "array", str: "string", type(None): "null", bool: "boolean"}.get(type(value), "number")


def _infer(rows: Iterator[Row]) -> tuple[tuple[tuple[str, str], ...], int]:
    columns: dict[str, ColumnType] = {}
    count = 0
    for file, line, row in rows:
        count += 1
        for name, value in row.items():
            try:
                seen = _type_of(value)
            except _NoType as error:
                raise _damaged(file, line, f"`{name}` {error}") from None
            before = columns.get(name)
            if before is seen:
                continue
            joined = unify(before or NULL, seen)
            if joined is None:
                raise _damaged(file, line, f"`{name}` is {seen} here and {before} on earlier lines")
            columns[name] = joined
    return tuple((name, str(kind)) for name, kind in columns.items()), count


class _NoType(Exception):
    pass


_SCALARS: dict[type, ColumnType] = {str: STR, float: FLOAT, bool: BOOL, type(None): NULL}


def _type_of(value: Any) -> ColumnType:
    scalar = _SCALARS.get(type(value))
    if scalar is not None:
        return scalar
    if isinstance(value, int):
        if value not in INT64:
            raise _NoType(f"holds {value}, beyond 64 bits")
        return INT
    if isinstance(value, dict):
        return row_of(*((name, _type_of(inner)) for name, inner in value.items()))
    item = NULL
    for member in value:
        joined = unify(item, _type_of(member))
        if joined is None:
            raise _NoType("holds a list of several types")
        item = joined
    return list_of(item)
