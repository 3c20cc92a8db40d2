"""Parquet as rows. The footer has schema and row count, so both are known before any row is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fusec.runtime.sources.locate import SourceFile
from fusec.runtime.sources.problems import Unusable
from fusec.runtime.sources.reads import READS

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

BATCH_ROWS = 4096
FOOTER_TAIL = 8

Columns = tuple[tuple[str, str], ...]


def peek(files: tuple[SourceFile, ...], options: Mapping[str, Any]) -> tuple[Columns, int]:
    """Columns and rows of all files, from their footers."""
    from fusec.runtime.sources.arrow_types import schema_columns

    columns: Columns | None = None
    rows = 0
    for file in files:
        with _open(file) as parquet:
            READS.headers += parquet.metadata.serialized_size + FOOTER_TAIL
            found = schema_columns(parquet.schema_arrow)
            if len(dict(found)) < len(found):
                raise _damaged(file, f"two columns have one name in {_names(found)}")
            rows += parquet.metadata.num_rows
        if columns is not None and found != columns:
            raise _damaged(file, f"its columns are {_names(found)}, those before {_names(columns)}")
        columns = found
    assert columns is not None
    return columns, rows


scan = peek


def stored_schema(file: SourceFile) -> pa.Schema:
    """The schema of a file in canonical Arrow types; `Other` columns keep theirs."""
    import pyarrow as pa

    from fusec.runtime.sources.arrow_types import canonical

    with _open(file) as parquet:
        return pa.schema([(field.name, canonical(field.type)) for field in parquet.schema_arrow])


def read(
    files: tuple[SourceFile, ...], options: Mapping[str, Any], schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    for file in files:
        with _open(file) as parquet:
            try:
                for batch in parquet.iter_batches(BATCH_ROWS, use_threads=False):
                    yield batch.cast(schema)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
                raise _damaged(file, str(error).partition("\n")[0]) from None
        READS.payload += file.size


def _open(file: SourceFile) -> pq.ParquetFile:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(file.path)
    except (pa.ArrowInvalid, OSError) as error:
        raise _damaged(file, str(error).partition("\n")[0]) from None


def _damaged(file: SourceFile, why: str) -> Unusable:
    return Unusable("damaged", f"{file.name} is not a readable Parquet file: {why}", where=file.path)


def _names(columns: Columns) -> str:
    return ", ".join(f"{name}: {kind}" for name, kind in columns)
