"""`rows.pass`: several row-local steps in one pass, batch after batch, with nothing kept in between.

Where a step fails, the rows go through the steps again one after another as they were written, so that the
error is the one of the spec, with the number of the row in the data set of that step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice, takewhile
from typing import Any

import pyarrow as pa

from fusec.compiler.ir import Call
from fusec.compiler.passes.order_filters import by_worth
from fusec.compiler.rowexpr import columns_read
from fusec.compiler.rowpass import blocks, condition, expressions, guards, is_steady, moved
from fusec.lang.column_types import ColumnType
from fusec.runtime.kernel import Artifact, Context, RunError
from fusec.runtime.kernels.data.bounds import Bounds, outcomes
from fusec.runtime.kernels.data.derive import deriving
from fusec.runtime.kernels.data.filter import keeping
from fusec.runtime.kernels.data.keys import choose
from fusec.runtime.kernels.data.row_local import RowFunction
from fusec.runtime.kernels.data.rows import Rows, evaluate
from fusec.runtime.kernels.data.scans import RowScan, StoredRows
from fusec.runtime.kernels.data.select import selecting
from fusec.runtime.kernels.data.stream import regrouped, write_rows
from fusec.runtime.sources.arrow_types import from_arrow
from fusec.runtime.sources.parquet_rows import LeavesOut


def run(inputs: Mapping[str, Any], slots: Mapping[str, Any], ctx: Context) -> None:
    """`inputs`: data, stored or a `RowScan` of a source. `slots`: `steps`, calls of the verbs with their
    slots; `sequence`, in which order they are done; `columns` of the input to read, all if None; `sample`,
    how many rows say which filter goes first.
    """
    data, steps = inputs["data"], slots["steps"]
    scan: RowScan = StoredRows(data, slots["columns"]) if isinstance(data, Artifact) else data
    functions = [_function(step) for step in steps]
    schema = _through(functions, pa.RecordBatch.from_pylist([], schema=scan.schema)).schema
    rows = scan.batches(_nothing_stays(scan, steps, slots["sequence"]))
    first = list(islice(rows, 1))
    order = by_sample(first, steps, slots["sequence"], slots["sample"])
    stages = [_Stage(steps, block) for block in blocks(order)]
    try:
        written = write_rows(ctx.out, schema, _results(chain(first, rows), stages, ctx))
    except _Failed as failed:
        _fail_as_written(scan, functions)
        raise failed.error from None
    ctx.meter.bytes_read += scan.bytes_read
    ctx.meter.bytes_written += written.bytes


class _Failed(Exception):
    """A step refuses a row."""

    def __init__(self, error: RunError) -> None:
        super().__init__(error.what)
        self.error = error


class _Stage:
    """A block of steps, in its order where no value is missing that this order might meet first."""

    def __init__(self, steps: Sequence[Call], block: tuple[int, ...]) -> None:
        self.written = [_function(steps[i]) for i in sorted(block)]
        self.moved = [_function(step) for step in moved(steps, block)]
        self.guards = guards(steps, block) if len(block) > 1 else ()

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        whole = all(batch.column(name).null_count == 0 for name in self.guards)
        return _through(self.moved if whole else self.written, batch)


def _results(
    rows: Iterable[pa.RecordBatch], stages: Sequence[_Stage], ctx: Context
) -> Iterator[pa.RecordBatch]:
    done = 0
    for batch in rows:
        done += len(batch)
        try:
            for stage in stages:
                batch = stage(batch)
        except RunError as error:
            raise _Failed(error) from None
        yield batch
        ctx.emit("progress", done=done, unit="rows")


def _function(step: Call) -> RowFunction:
    if step.name == "filter":
        return keeping(condition(step))
    return (selecting if step.name == "select" else deriving)(expressions(step))


def _through(functions: Sequence[RowFunction], batch: pa.RecordBatch) -> pa.RecordBatch:
    for function in functions:
        batch = function(Rows(batch))
    return batch


def by_sample(
    first: Sequence[pa.RecordBatch], steps: Sequence[Call], order: tuple[int, ...], size: int
) -> tuple[int, ...]:
    """`order` with its filters by what stays of some rows of the first batch, the same ones in every run."""
    if not size or not first:
        return order
    (batch,) = first
    batch = batch.take(pa.array(choose("order_filters", 0, len(batch), min(size, len(batch)))))
    kinds, stays = _kinds(batch.schema), {}
    try:
        for i, step in zip(order, moved(steps, order), strict=True):
            if step.name == "filter":
                stays[i] = evaluate(condition(step), Rows(batch)).true_count / max(len(batch), 1)
            else:
                batch = _function(step)(Rows(batch))
    except RunError:
        return order  # the pass itself says what is wrong, of the first such row
    return by_worth(steps, order, kinds, stays.__getitem__)


def _kinds(schema: pa.Schema) -> dict[str, ColumnType]:
    return {field.name: from_arrow(field.type) for field in schema}


def _nothing_stays(scan: RowScan, steps: Sequence[Call], order: Sequence[int]) -> LeavesOut:
    """Whether the filters that come first drop every row between some bounds, and none of them can fail."""
    kinds, first = _kinds(scan.schema), []
    whole: set[str] = set()
    for block in blocks(order):
        own = moved(steps, block)
        filters = list(takewhile(lambda step: step.name == "filter" and _is_steady(step, kinds), own))
        whole |= set(guards(steps, block)) if len(block) > 1 else set()
        for step in filters:
            whole |= set(columns_read(condition(step)))
            first.append((condition(step), frozenset(whole)))
        if len(filters) < len(own):
            break

    def leaves_out(known: Mapping[str, tuple[Any, Any]]) -> bool:
        bounds = {name: Bounds(*ends) for name, ends in known.items()}
        return any(need <= known.keys() and True not in outcomes(asked, bounds) for asked, need in first)

    return leaves_out


def _is_steady(step: Call, kinds: Mapping[str, ColumnType]) -> bool:
    return is_steady(condition(step), kinds)


def _fail_as_written(scan: RowScan, functions: Sequence[RowFunction]) -> None:
    """Raises the error of the first step that fails, on the first row that it fails on."""
    for last in range(1, len(functions) + 1):
        rows: Iterator[pa.RecordBatch] = scan.batches()
        for function in functions[:last]:
            rows = _one_after_another(function, regrouped(rows))
        for _ in rows:
            pass


def _one_after_another(function: RowFunction, rows: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    first = 0
    for batch in rows:
        yield function(Rows(batch, first=first))
        first += len(batch)
