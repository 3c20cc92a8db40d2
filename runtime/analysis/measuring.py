"""Measures groups on several threads and gives their columns in order, whichever thread is first."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from itertools import islice
from queue import SimpleQueue

from fusec.runtime.analysis.findings import Owned
from fusec.runtime.analysis.groups import Group, ranges
from fusec.runtime.analysis.units import Measured, Worker
from fusec.runtime.ranges import open_file

# Ranges per thread that are measured and not yet collected, so that memory stays small.
_AHEAD = 4


def measure(groups: Sequence[Owned], block: int, threads: int) -> Iterator[tuple[Owned, list[Measured]]]:
    """Every group with the columns of its ranges, in order. Reads each group's bytes once."""
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
        window = deque[tuple[Owned, bool, Future[Measured]]]()
        units = (
            (owned, stop == owned.group.elements, pool.submit(measured, owned.group, start, stop))
            for owned in groups
            for start, stop in ranges(owned.group.elements, block)
        )
        parts: list[Measured] = []
        while True:
            window.extend(islice(units, _AHEAD * threads - len(window)))
            if not window:
                return
            owned, last, future = window.popleft()
            parts.append(future.result())
            if last:
                yield owned, parts
                parts = []
