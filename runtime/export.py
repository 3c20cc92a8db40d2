"""Data artifacts in the file formats that people ask an `output` for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from fusec.runtime.kernel import RunError

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIXES = (".parquet", ".jsonl", ".csv")
_ROW_GROUP = 1 << 16
_ROWS_AT_ONCE = 1 << 12


def export_data(stream: Path, to: Path) -> None:
    """Writes the Arrow IPC stream `stream` as the new file `to`, in the format its suffix names.

    The bytes depend on the rows and the pyarrow version, not on how the stream was cut into batches. The
    stream is mapped, and at most 65536 rows of it are copied at a time. JSON lines write bytes as base64,
    times as ISO 8601 and NaN as null.
    Raises `RunError` for a damaged stream, and for columns that the format has no place for.
    """
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    try:
        with pa.memory_map(str(stream)) as source, pa.ipc.open_stream(source) as reader:
            table = reader.read_all()
    except (pa.ArrowInvalid, OSError) as error:
        raise RunError(f"{stream} is not a complete Arrow stream: {error}") from error
    try:
        match to.suffix:
            case ".parquet":
                with pa.parquet.ParquetWriter(to, table.schema) as writer:
                    for rows in _row_groups(table):
                        writer.write_table(rows, row_group_size=_ROW_GROUP)
            case ".jsonl":
                with open(to, "wb") as file:
                    for batch in table.to_batches(max_chunksize=_ROWS_AT_ONCE):
                        file.writelines(msgspec.json.encode(row) + b"\n" for row in batch.to_pylist())
            case ".csv":
                with pa.csv.CSVWriter(to, table.schema) as writer:
                    for rows in _row_groups(table):
                        writer.write_table(rows)
    except (pa.ArrowException, TypeError) as error:
        columns = ", ".join(f"{column.name}: {column.type}" for column in table.schema)
        raise RunError(
            f"a {to.suffix} file cannot hold the columns ({columns}): {error}",
            hint="write .parquet or .jsonl, or drop the column with `select`",
        ) from error


def _row_groups(table: pa.Table) -> Iterator[pa.Table]:
    """Rows in groups of one size, each of one chunk: what is written then knows nothing of batches."""
    for start in range(0, table.num_rows, _ROW_GROUP):
        yield table.slice(start, _ROW_GROUP).combine_chunks()
