"""Data artifacts in the file formats that people ask an `output` for."""

from __future__ import annotations

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
    stream is mapped, not loaded. JSON lines write bytes as base64, times as ISO 8601 and NaN as null.
    Raises `RunError` for a damaged stream, and for columns that the format has no place for.
    """
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    try:
        with pa.memory_map(str(stream)) as source, pa.ipc.open_stream(source) as reader:
            table = _one_chunk_per_column(reader.read_all())
    except (pa.ArrowInvalid, OSError) as error:
        raise RunError(f"{stream} is not a complete Arrow stream: {error}") from error
    try:
        match to.suffix:
            case ".parquet":
                pa.parquet.write_table(table, to, row_group_size=_ROW_GROUP)
            case ".jsonl":
                with open(to, "wb") as file:
                    for batch in table.to_batches(max_chunksize=_ROWS_AT_ONCE):
                        file.writelines(msgspec.json.encode(row) + b"\n" for row in batch.to_pylist())
            case ".csv":
                pa.csv.write_csv(table, to)
    except (pa.ArrowException, TypeError) as error:
        columns = ", ".join(f"{column.name}: {column.type}" for column in table.schema)
        raise RunError(
            f"a {to.suffix} file cannot hold the columns ({columns}): {error}",
            hint="write .parquet or .jsonl, or drop the column with `select`",
        ) from error


def _one_chunk_per_column(table: pa.Table) -> pa.Table:
    """Columns that already are one chunk stay mapped; only a cut stream costs memory."""
    return table if all(column.num_chunks <= 1 for column in table.columns) else table.combine_chunks()
