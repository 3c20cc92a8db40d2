"""Parquet as rows. The footer has schema and row count, so both are known before any row is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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


LeavesOut = Callable[[Mapping[str, tuple[Any, Any]]], bool]
"""Told the least and greatest value of the columns of a row group that have no missing ones."""


def read_groups(
    files: tuple[SourceFile, ...], schema: pa.Schema, leaves_out: LeavesOut | None
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Batches of the columns in `schema`, each with the compressed bytes that were read for it."""
    import pyarrow as pa

    for file in files:
        with _open(file) as parquet:
            # Their values may not fit into 64 bits with a sign, which is an error, used or not.
            checked = [f.name for f in parquet.schema_arrow if "uint64" in str(f.type)]
            names = [f.name for f in parquet.schema_arrow if f.name in {*schema.names, *checked}]
            types = stored_schema(file)
            full = pa.schema([types.field(name) for name in names])
            try:
                for group in range(parquet.num_row_groups):
                    found = parquet.metadata.row_group(group)
                    chunks = [found.column(i) for i in range(found.num_columns)]
                    if not checked and leaves_out is not None and leaves_out(_statistics(chunks)):
                        continue
                    size = sum(
                        chunk.total_compressed_size
                        for chunk in chunks
                        if any(f"{chunk.path_in_schema}.".startswith(f"{name}.") for name in names)
                    )
                    READS.payload += size
                    for batch in parquet.iter_batches(BATCH_ROWS, [group], names, use_threads=False):
                        yield size, batch.select(names).cast(full).select(schema.names)
                        size = 0
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
                raise _damaged(file, str(error).partition("\n")[0]) from None


def _statistics(chunks: list[pq.ColumnChunkMetaData]) -> dict[str, tuple[Any, Any]]:
    """The ends of what columns hold, as far as the footer tells that no value is missing."""
    found = {}
    for chunk in chunks:
        known = chunk.statistics
        if known is not None and known.has_null_count and known.null_count == 0 and known.has_min_max:
            ends = known.min, known.max
            # NaN is an end of nothing.
            if all(isinstance(end, (bool, int, float, str)) and end == end for end in ends):
                found[chunk.path_in_schema] = ends
    return found


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
