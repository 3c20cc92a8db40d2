"""What `select`, `derive` and `filter` share: rows in, rows out, batch after batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa

from fusec.runtime.kernel import Artifact, Context
from fusec.runtime.kernels.data.rows import Rows
from fusec.runtime.kernels.data.stream import batches, data_bytes, open_rows, write_rows

RowFunction = Callable[[Rows], pa.RecordBatch]


def run_row_local(data: Artifact, function: RowFunction, ctx: Context) -> None:
    """Applies `function` to every batch and writes `ctx.out/data.arrow`."""
    reader = open_rows(data)
    empty = pa.RecordBatch.from_pylist([], schema=reader.schema)
    schema = function(Rows(empty)).schema

    def results() -> Iterator[pa.RecordBatch]:
        done = 0
        for batch in batches(reader):
            yield function(Rows(batch, first=done))
            done += len(batch)
            ctx.emit("progress", done=done, unit="rows")

    written = write_rows(ctx.out, schema, results())
    ctx.meter.bytes_read += data_bytes(data)
    ctx.meter.bytes_written += written.bytes
