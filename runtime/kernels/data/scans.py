"""Rows for a pass: of stored data with only some columns, or of the files of a source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import pyarrow as pa

from fusec.runtime.kernel import Artifact
from fusec.runtime.kernels.data.stream import batches, data_bytes, open_rows
from fusec.runtime.sources.parquet_rows import LeavesOut


class RowScan(Protocol):
    """Rows that can be read from the beginning as often as needed; `bytes_read` counts all readings."""

    schema: pa.Schema
    bytes_read: int

    def batches(self, leaves_out: LeavesOut | None = None) -> Iterator[pa.RecordBatch]: ...


class StoredRows:
    """The rows of a data artifact, with the buffers of `columns` alone brought from disk; all if None.

    It knows nothing of its batches before it reads them, and leaves out none.
    """

    def __init__(self, data: Artifact, columns: Sequence[str] | None) -> None:
        self.bytes_read = 0
        self._data, self._columns = data, columns
        schema = open_rows(data).schema
        self.schema = schema if columns is None else pa.schema([schema.field(name) for name in columns])

    def batches(self, leaves_out: LeavesOut | None = None) -> Iterator[pa.RecordBatch]:
        reader = open_rows(self._data)
        if self._columns is None:
            self.bytes_read += data_bytes(self._data)
            yield from batches(reader)
            return
        for batch in batches(reader):
            chosen = batch.select(self._columns)
            self.bytes_read += chosen.nbytes
            yield chosen
