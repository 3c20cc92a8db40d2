"""Measures groups on several threads and gives their columns in order, whichever thread is first."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from itertools import islice
from queue import SimpleQueue

from fusec.runtime.analysis.columns import Columns
from fusec.runtime.analysis.findings import Owned
from fusec.runtime.analysis.groups import Group, ranges
from fusec.runtime.analysis.units import Measured, Worker
from fusec.runtime.ranges import open_file

# Ranges per thread that are measured and not yet collected, so that memory stays small.
_AHEAD = 4


def measure(groups: Sequence[Owned], block: int, threads: int) -> Iterator[tuple[Owned, Columns]]:
    """Every group with its columns, in order. Reads each group's bytes once."""
    with ExitStack() as stack:
        paths = {source.path for owned in groups for source in owned.group.sources() if source}
        files = {path: stack.enter_context(open_file(path)) for path in sorted(paths)}
        free: SimpleQueue[Worker] = SimpleQueue()
        for _ in range(threads):
            free.put(Worker(files))

        def measured(group: Group, start: int, stop: int) -> Measured:
            worker = free.get()
            try:
                return worker.measure(group, start, stop, block)
            finally:
                free.put(worker)

        pool = ThreadPoolExecutor(threads, "analyse")
        stack.callback(pool.shutdown, cancel_futures=True)
        window = deque[tuple[Owned, int, int, Future[Measured]]]()
        units = (
            (owned, start, stop, pool.submit(measured, owned.group, start, stop))
            for owned in groups
            for start, stop in ranges(owned.group.elements, block)
        )
        columns: Columns | None = None
        while True:
            window.extend(islice(units, _AHEAD * threads - len(window)))
            if not window:
                return
            owned, start, stop, future = window.popleft()
            columns = columns or Columns(owned.group, block)
            columns.put(start, stop, future.result())
            if columns.complete:
                yield owned, columns
                columns = None
