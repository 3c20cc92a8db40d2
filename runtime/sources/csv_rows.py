"""CSV as rows: RFC 4180 quotes, the first record names the columns.

A column is `Int`, `Float` or `Bool` when every cell that is not empty reads as one, else `Str`. Numbers
with leading zeros stay text. An empty cell is a missing value in a typed column and "" in a text column.
`delimiter` and `escape` (a character before a quote inside quotes) are options.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fusec.runtime.sources.locate import SourceFile
from fusec.runtime.sources.problems import Unusable
from fusec.runtime.sources.reads import READS
from fusec.runtime.sources.text_rows import not_utf8, utf8_error_offset

if TYPE_CHECKING:
    import pyarrow as pa

PEEK_BYTES = 1 << 20
BLOCK_BYTES = 4 << 20

PATTERNS = {
    "Int": r"-?(?:0|[1-9][0-9]{0,17})",
    "Float": r"[+-]?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?",
    "Bool": r"true|false|True|False",
}
"""Narrowest first. Read by Python's and by Arrow's regular expressions alike."""

Columns = tuple[tuple[str, str], ...]


def peek(files: tuple[SourceFile, ...], options: Mapping[str, Any]) -> tuple[Columns, int | None]:
    """The columns that the first block of the first file shows."""
    file = files[0]
    with file.path.open("rb") as stream:
        block = stream.read(PEEK_BYTES)
    READS.headers += len(block)
    try:
        text = block.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.end < len(block) or file.size == len(block):
            raise not_utf8(file, error.start) from None
        text = block[: error.start].decode("utf-8-sig")
    records = list(csv.reader(io.StringIO(text, newline=""), **_dialect(file, options)))
    if file.size > len(block):
        records.pop()  # the block ends inside it
    header, *rows = [record for record in records if record] or [[]]
    _check_header(file, header)
    for row in rows:
        if len(row) != len(header):
            raise _damaged(file, f"a record has {len(row)} cells, the header {len(header)}: {row[0]!r}, ...")
    return tuple((name, _type_of([row[i] for row in rows])) for i, name in enumerate(header)), None


def scan(files: tuple[SourceFile, ...], options: Mapping[str, Any]) -> tuple[Columns, int]:
    """Columns and rows of all files, every cell seen."""
    names: list[str] | None = None
    fits: dict[str, set[str]] = {}
    filled: set[str] = set()
    rows = 0
    for file in files:
        header = _header(file, options)
        if names is None:
            names, fits = header, {name: set(PATTERNS) for name in header}
        elif header != names:
            raise _damaged(file, f"its columns are {', '.join(header)}, those before {', '.join(names)}")
        for batch in _texts(file, header, options):
            rows += len(batch)
            for name in names:
                if _narrow(batch.column(name), fits[name]):
                    filled.add(name)
    assert names is not None
    return tuple((name, _narrowest(fits[name]) if name in filled else "Str") for name in names), rows


def read(
    files: tuple[SourceFile, ...], options: Mapping[str, Any], schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    for file in files:
        for batch in _texts(file, schema.names, options):
            columns = [_typed(batch.column(field.name), field.type) for field in schema]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)
        READS.payload += file.size


def _dialect(file: SourceFile, options: Mapping[str, Any]) -> dict[str, Any]:
    usual = "\t" if file.path.suffix == ".tsv" else ","
    return {"delimiter": options.get("delimiter", usual), "escapechar": options.get("escape")}


def _header(file: SourceFile, options: Mapping[str, Any]) -> list[str]:
    with file.path.open(encoding="utf-8-sig", newline="") as stream:
        try:
            header = next((row for row in csv.reader(stream, **_dialect(file, options)) if row), [])
        except UnicodeDecodeError:
            raise not_utf8(file, utf8_error_offset(file) or 0) from None
    _check_header(file, header)
    return header


def _check_header(file: SourceFile, header: list[str]) -> None:
    if not header:
        raise _damaged(file, "it is empty, a header is the least")
    for position, name in enumerate(header, 1):
        if not name:
            raise _damaged(file, f"column {position} has no name")
        if name in header[: position - 1]:
            raise _damaged(file, f"two columns are called `{name}`")


def _texts(file: SourceFile, names: list[str], options: Mapping[str, Any]) -> Iterator[pa.RecordBatch]:
    """The cells as text; Arrow finds the records."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    dialect = _dialect(file, options)
    parse = arrow_csv.ParseOptions(
        delimiter=dialect["delimiter"], escape_char=dialect["escapechar"] or False, newlines_in_values=True
    )
    convert = arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
    block = arrow_csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False)
    try:
        with arrow_csv.open_csv(
            file.path, read_options=block, parse_options=parse, convert_options=convert
        ) as reader:
            yield from reader
    except pa.ArrowInvalid as error:
        offset = utf8_error_offset(file)
        if offset is not None:
            raise not_utf8(file, offset) from None
        raise _damaged(file, str(error).partition("\n")[0]) from None


def _damaged(file: SourceFile, why: str) -> Unusable:
    return Unusable(
        "damaged",
        f"{file.name} is not a table: {why}",
        hint="see `delimiter` and `escape` for files that are not plain CSV",
        where=file.path,
    )


def _type_of(cells: list[str]) -> str:
    filled = [cell for cell in cells if cell]
    if not filled:
        return "Str"
    return _narrowest({k for k, p in PATTERNS.items() if all(re.fullmatch(p, cell) for cell in filled)})


def _narrowest(fits: set[str]) -> str:
    return next((kind for kind in PATTERNS if kind in fits), "Str")


def _narrow(cells: pa.Array, fits: set[str]) -> bool:
    """Drops from `fits` the types that some cell is not; whether any cell is filled."""
    import pyarrow.compute as pc

    cells = cells.filter(pc.not_equal(cells, ""))
    for kind in tuple(fits):
        if not pc.all(pc.match_substring_regex(cells, rf"\A(?:{PATTERNS[kind]})\z"), min_count=0).as_py():
            fits.remove(kind)
    return len(cells) > 0


def _typed(cells: pa.Array, kind: pa.DataType) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string(kind):
        return cells
    return pc.cast(pc.if_else(pc.equal(cells, ""), pa.scalar(None, pa.string()), cells), kind)
