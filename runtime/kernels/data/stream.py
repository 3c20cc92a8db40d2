"""Rows on disk: `data.arrow`, an Arrow IPC stream in batches of exactly 4096 rows.

Only the last batch is shorter, so the bytes do not depend on how the rows arrived.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa

from fusec.runtime.kernel import Artifact, Context, RunError

BATCH_ROWS = 4096
DATA_FILE = "data.arrow"


class RowWriter:
    """Writes batches of any size and of this schema as batches of 4096; a context manager."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / DATA_FILE
        self.schema = schema.remove_metadata()
        self.rows = 0
        self._pending: list[pa.RecordBatch] = []
        self._pending_rows = 0

    def __enter__(self) -> RowWriter:
        self._file = pa.OSFile(str(self.path), "wb")
        self._writer = pa.ipc.new_stream(self._file, self.schema)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush(everything=True)
            self._writer.close()
        self._file.close()

    def write(self, batch: pa.RecordBatch) -> None:
        if batch.num_rows == 0:
            return
        self._pending.append(batch)
        self._pending_rows += batch.num_rows
        if self._pending_rows >= BATCH_ROWS:
            self._flush(everything=False)

    @property
    def bytes(self) -> int:
        return self.path.stat().st_size

    def _flush(self, *, everything: bool) -> None:
        if not self._pending:
            return
        whole = self._pending[0] if len(self._pending) == 1 else pa.concat_batches(self._pending)
        end = len(whole) if everything else len(whole) // BATCH_ROWS * BATCH_ROWS
        for start in range(0, end, BATCH_ROWS):
            self._writer.write_batch(_compact(whole.slice(start, min(BATCH_ROWS, end - start))))
        self.rows += end
        self._pending = [whole.slice(end)] if end < len(whole) else []
        self._pending_rows = len(whole) - end


def _compact(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The same rows in buffers of their own: a slice would carry traces of its neighbours to disk."""
    return batch.take(pa.array(np.arange(len(batch))))


def write_rows(folder: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> RowWriter:
    """Writes `folder/data.arrow`; the writer that comes back knows `rows` and `bytes`."""
    with RowWriter(folder, schema) as writer:
        for batch in batches:
            writer.write(batch)
    return writer


def open_rows(artifact: Artifact) -> pa.RecordBatchStreamReader:
    """The batches of a data artifact, mapped and not copied; `.schema` is known at once."""
    path = artifact.path / DATA_FILE
    try:
        return pa.ipc.open_stream(pa.memory_map(str(path), "r"))
    except (pa.ArrowInvalid, OSError) as error:
        raise RunError(
            f"{path} is not an Arrow stream: {error}", hint="remove the result and run again"
        ) from error


def batches(reader: pa.RecordBatchStreamReader) -> Iterator[pa.RecordBatch]:
    """The batches of a reader; RunError where the stream breaks off."""
    while True:
        try:
            yield reader.read_next_batch()
        except StopIteration:
            return
        except (pa.ArrowInvalid, OSError) as error:
            raise RunError(f"the rows break off: {error}", hint="remove the result and run again") from error


def regrouped(rows: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of 4096, as they would be read if they had been written before."""
    pending, count = [], 0
    for batch in rows:
        pending.append(batch)
        count += len(batch)
        while count >= BATCH_ROWS:
            whole = pa.concat_batches(pending)
            yield whole.slice(0, BATCH_ROWS)
            pending, count = [whole.slice(BATCH_ROWS)], count - BATCH_ROWS
    if count:
        yield pa.concat_batches(pending)


class RowTable:
    """All rows of a data artifact by number: mapped, and copied only where taken."""

    def __init__(self, artifact: Artifact) -> None:
        reader = open_rows(artifact)
        self.schema = reader.schema
        self._batches = list(batches(reader))
        self._starts = np.cumsum([0, *(len(batch) for batch in self._batches)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def take(self, rows: np.ndarray) -> Iterator[pa.RecordBatch]:
        """The rows with these numbers in this order, in batches of 4096."""
        for start in range(0, len(rows), BATCH_ROWS):
            yield self._gather(rows[start : start + BATCH_ROWS])

    def _gather(self, rows: np.ndarray) -> pa.RecordBatch:
        # Batch by batch, then into order: one `take` over all batches would first join them all.
        order = np.argsort(rows, kind="stable")
        homes = np.searchsorted(self._starts, rows[order], side="right") - 1
        taken = []
        for home in np.unique(homes):
            inside = rows[order[homes == home]] - self._starts[home]
            taken.append(self._batches[home].take(pa.array(inside)))
        places = np.empty_like(order)
        places[order] = np.arange(len(order))
        return pa.concat_batches(taken).take(pa.array(places))


def write_taken(table: RowTable, rows: np.ndarray, folder: Path, ctx: Context) -> None:
    """Writes the rows with these numbers, in this order, as `folder/data.arrow`."""
    written = write_rows(folder, table.schema, table.take(rows))
    ctx.meter.bytes_written += written.bytes
    ctx.meter.bytes_read += written.bytes
    ctx.emit("progress", done=len(rows), total=len(rows), unit="rows")


def data_bytes(artifact: Artifact) -> int:
    return (artifact.path / DATA_FILE).stat().st_size
