"""Streams matched tensors through an operator into a model folder.

Reads exactly the planned byte ranges into buffers that are used again, one set per worker. A worker's
tiles together take about `WORKING_SET` bytes whatever the number of experts or the size of a tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue

from fusec.runtime.hf_folder import ModelWriter
from fusec.runtime.kernel import Context, Meter
from fusec.runtime.kernels.merge.changes import paths_of
from fusec.runtime.kernels.merge.match import Copy, Identical, Job, Merge, SameHead
from fusec.runtime.kernels.merge.operator import Operators
from fusec.runtime.kernels.merge.reader import Files, Reader
from fusec.runtime.kernels.merge.shelf import Shelf
from fusec.runtime.kernels.merge.units import Unit, units_of, written_by
from fusec.runtime.kernels.merge.worker import Worker

_PROGRESS_STEPS = 200


def stream(
    jobs: Sequence[Job],
    operators: Operators,
    writer: ModelWriter,
    ctx: Context,
    *,
    what: str = "merged tensor",
    identities: Sequence[str] = (),
) -> None:
    """Does all jobs on `ctx.threads` workers. Of several errors, the first in job order is raised.

    `what` is how messages call a tensor of the result; `identities` tell experts apart, in their order.
    """
    units = units_of(jobs, operators)
    with ExitStack() as stack:
        files = Files(paths(jobs), ctx.threads, stack)
        shelf = Shelf(unit.job.target.name for unit in units if isinstance(unit.job, Merge))
        workers = [
            Worker(operators, Reader(files), writer, shelf, what, identities) for _ in range(ctx.threads)
        ]
        counts = Counts(workers, ctx.meter)
        free: SimpleQueue[Worker] = SimpleQueue()
        for worker in workers:
            free.put(worker)

        def work(unit: Unit) -> None:
            worker = free.get()
            try:
                worker.do(unit)
            finally:
                free.put(worker)

        pool = ThreadPoolExecutor(ctx.threads, "merge")
        try:
            follow([pool.submit(work, unit) for unit in units], Progress(ctx, jobs, counts))
            files.require_unchanged()
        finally:
            pool.shutdown(cancel_futures=True)
            counts.finish(jobs)


class Counts:
    """Moves what the workers of a merge used onto its meter, as often as it is called."""

    def __init__(self, workers: Sequence[Worker], meter: Meter) -> None:
        self._workers, self._meter = workers, meter
        self._counted = (0, 0, 0, 0)

    @property
    def written(self) -> int:
        return sum(worker.written for worker in self._workers)

    def __call__(self) -> None:
        # Workers go on meanwhile: what one adds after its number was taken is counted the next time.
        base = sum(worker.base_bytes for worker in self._workers)
        experts = sum(worker.expert_bytes for worker in self._workers)
        now = (base, experts, sum(worker.reused for worker in self._workers), self.written)
        base, experts, reused, written = (n - old for n, old in zip(now, self._counted, strict=True))
        self._counted = now
        self._meter.bytes_read += base + experts
        self._meter.expert_bytes += experts
        self._meter.reused_bytes += reused
        self._meter.bytes_written += written

    def finish(self, jobs: Sequence[Job]) -> None:
        """Counts the rest, with what was read ahead and used by nobody."""
        bases = {job.base.path for job in jobs if not isinstance(job, SameHead)}
        for worker in self._workers:
            worker.count_unused(bases)
        self()


class Progress:
    """Reports the bytes that the workers of a merge have written, and stops it where it has to stop."""

    def __init__(self, ctx: Context, jobs: Sequence[Job], counts: Counts) -> None:
        self._ctx, self._counts, self._total = ctx, counts, sum(map(written_by, jobs))
        self._shown = -1

    def __call__(self) -> None:
        self._counts()
        self._ctx.pulse()
        written = self._counts.written
        step = written * _PROGRESS_STEPS // max(1, self._total)
        if step != self._shown:
            self._ctx.emit("progress", done=written, total=self._total, unit="bytes")
            self._shown = step


def follow(futures: list[Future[None]], tell: Callable[[], None]) -> None:
    """Waits for the units, and tells now and then; on a failure lets the units before it finish."""
    pending = set(futures)
    while pending:
        done, pending = wait(pending, timeout=1, return_when=FIRST_COMPLETED)
        if any(future.exception() for future in done):
            # Units start in order: what has not started comes after the one that failed.
            started = [future for future in futures if not future.cancel()]
            wait(started)
            raise next(error for future in started if (error := future.exception()))
        tell()


def paths(jobs: Iterable[Job]) -> set[Path]:
    """The files that are read for jobs."""
    found = set()
    for job in jobs:
        match job:
            case SameHead(head, embedding):
                found |= {head.path, embedding.path}
            case Copy(_, base):
                found.add(base.path)
            case Identical(_, base, experts) | Merge(_, base, experts):
                found.add(base.path)
                if isinstance(job, Merge) and job.earlier is not None:
                    found.add(job.earlier.path)
                for expert in experts:
                    found |= paths_of(expert)
    return found
