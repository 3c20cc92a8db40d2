"""Streams matched tensors through an operator into a model folder.

Reads exactly the planned byte ranges into buffers that are used again, one set per worker. A worker's
tiles together take about `WORKING_SET` bytes whatever the number of experts or the size of a tensor.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import numpy as np
from numpy.typing import NDArray

from fusec.runtime.hf_folder import ModelWriter
from fusec.runtime.kernel import Context, RunError
from fusec.runtime.kernels.merge.changes import LowRank, Source, Stored, Unchanged, paths_of
from fusec.runtime.kernels.merge.codec import F32, STORED, decode, encode, first_nonfinite
from fusec.runtime.kernels.merge.match import Copy, Identical, Job, Merge, SameHead
from fusec.runtime.kernels.merge.operator import Operator, add_update
from fusec.runtime.kernels.merge.products import Factors, Shelf
from fusec.runtime.positioned import read_into
from fusec.runtime.sources.adapter import Factor

# Bytes of float32 buffers per worker: what a core's second-level cache holds.
WORKING_SET = 1 << 20

# Elements that one worker takes at a time where tensors may be split.
SPAN = 1 << 22

_PROGRESS_STEPS = 200


@dataclass(frozen=True)
class Unit:
    """What one worker takes at a time: a copy or check, or a merge between two flat indices."""

    job: Job
    start: int
    stop: int


def stream(
    jobs: Sequence[Job], operator: Operator, writer: ModelWriter, ctx: Context, what: str = "merged tensor"
) -> None:
    """Does all jobs on `ctx.threads` workers. Of several errors, the first in job order is raised.

    `what` is how messages call a tensor of the result.
    """
    units = [unit for job in jobs for unit in _units(job, operator.splits)]
    with ExitStack() as stack:
        fds = {path: _open(path, stack) for path in sorted(_paths(jobs))}
        shelf = Shelf(unit.job.target.name for unit in units if isinstance(unit.job, Merge))
        workers = [Worker(operator, fds, writer, shelf, what) for _ in range(ctx.threads)]
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
            _follow([pool.submit(work, unit) for unit in units], workers, ctx, sum(map(_cost, jobs)))
        finally:
            pool.shutdown(cancel_futures=True)
            for worker in workers:
                ctx.meter.bytes_read += worker.base_bytes + worker.expert_bytes
                ctx.meter.expert_bytes += worker.expert_bytes
                ctx.meter.bytes_written += worker.written


def _follow(futures: list[Future[None]], workers: Sequence[Worker], ctx: Context, total: int) -> None:
    """Waits for the units and reports bytes written; on a failure lets the units before it finish."""
    pending, shown = set(futures), -1
    while pending:
        done, pending = wait(pending, timeout=1, return_when=FIRST_COMPLETED)
        if any(future.exception() for future in done):
            # Units start in order: what has not started comes after the one that failed.
            started = [future for future in futures if not future.cancel()]
            wait(started)
            raise next(error for future in started if (error := future.exception()))
        written = sum(worker.written for worker in workers)
        step = written * _PROGRESS_STEPS // max(1, total)
        if step != shown:
            ctx.emit("progress", done=written, total=total, unit="bytes")
            shown = step


class Worker:
    """The buffers and counters of one thread at a time."""

    def __init__(
        self, operator: Operator, fds: dict[Path, int], writer: ModelWriter, shelf: Shelf, what: str
    ) -> None:
        self.operator, self.fds, self.writer = operator, fds, writer
        self.shelf, self.what = shelf, what
        self.base_bytes = self.expert_bytes = self.written = 0
        self._raw = np.empty(0, np.uint8)
        self._floats: list[F32] = []

    def do(self, unit: Unit) -> None:
        match unit.job:
            case Merge() as job:
                try:
                    self._merge(job, unit.start, unit.stop)
                finally:
                    self.shelf.done(job.target.name)
            case Identical() as job:
                for expert in job.experts:
                    problem = f"{expert} differs from the base's, and {job.target.dtype} is not merged"
                    self._require_equal(job.base, expert, problem)
                    self.base_bytes += job.base.tensor.bytes
                    self.expert_bytes += expert.tensor.bytes
                if job.written:
                    self._copy(job)
            case Copy() as job:
                self._copy(job)
            case SameHead(head, embedding):
                problem = f"{head} differs from `{embedding.tensor.name}`, but the base ties the two"
                self._require_equal(embedding, head, problem)
                self.expert_bytes += embedding.tensor.bytes + head.tensor.bytes

    # An overflow on the way shows in the result, where it is an error.
    @np.errstate(over="ignore", invalid="ignore")
    def _merge(self, job: Merge, start: int, stop: int) -> None:
        merge = self.operator.start(_Tensor(job, self))
        target, dtype = job.target, STORED[job.target.dtype]
        for tile in _Tensor(job, self, start, stop).tiles(self.operator.buffers):
            values = merge(tile)
            out = self.raw(values.size, dtype)
            encode(values, target.dtype, out)
            at = first_nonfinite(out, target.dtype)
            if at is not None:
                raise RunError(
                    f"{self.what} `{target.name}` overflows {target.dtype} at flat index {tile.start + at}",
                    hint="use smaller weights or a wider dtype",
                )
            self.writer.write(target.name, tile.start * dtype.itemsize, out)
            self.written += out.nbytes

    def _copy(self, job: Copy | Identical) -> None:
        info = job.base.tensor
        self.writer.copy(info.name, self.fds[job.base.path], info.start, info.bytes, str(job.base.path))
        self.base_bytes += info.bytes
        self.written += info.bytes

    def _require_equal(self, a: Source, b: Source, problem: str) -> None:
        if a.tensor.dtype != b.tensor.dtype or a.tensor.shape != b.tensor.shape:
            raise RunError(problem)
        for at in range(0, a.tensor.bytes, WORKING_SET):
            count = min(WORKING_SET, a.tensor.bytes - at)
            left, right = np.empty(count, np.uint8), np.empty(count, np.uint8)
            read_into(self.fds[a.path], left, a.tensor.start + at, str(a.path))
            read_into(self.fds[b.path], right, b.tensor.start + at, str(b.path))
            if not np.array_equal(left, right):
                raise RunError(problem)

    def read(self, source: Source, start: int, out: F32) -> int:
        """Decodes `out.size` elements from flat index `start` on; returns the bytes read."""
        dtype = source.tensor.dtype
        stored = out if dtype == "F32" else self.raw(out.size, STORED[dtype])
        offset = source.tensor.start + start * stored.itemsize
        read_into(self.fds[source.path], stored, offset, str(source.path))
        at = first_nonfinite(stored, dtype)
        if at is not None:
            raise RunError(f"{source} is not finite at flat index {start + at}", hint="the model is damaged")
        if stored is not out:
            decode(stored, dtype, out)
        return stored.nbytes

    def factors(self, job: Merge, expert: int, change: LowRank) -> Factors:
        """The factors of a low-rank change, read by whichever worker needs them first."""

        def load() -> Factors:
            left, right = (self._factor(change.path, factor) for factor in (product.left, product.right))
            return Factors(left, right, np.float32(product.scale))

        product = change.product
        return self.shelf.get(job.target.name, expert, load)

    def _factor(self, path: Path, factor: Factor) -> F32:
        source, values = Source(path, factor.tensor), np.empty(factor.tensor.elements, np.float32)
        for at in range(0, values.size, WORKING_SET):
            self.expert_bytes += self.read(source, at, values[at : at + WORKING_SET])
        matrix = values.reshape(factor.tensor.shape)
        return matrix if factor.across else np.ascontiguousarray(matrix.T)

    def raw(self, elements: int, dtype: np.dtype) -> NDArray:
        if self._raw.size < elements * dtype.itemsize:
            self._raw = np.empty(elements * dtype.itemsize, np.uint8)
        return self._raw[: elements * dtype.itemsize].view(dtype)

    def floats(self, number: int, elements: int) -> F32:
        while len(self._floats) <= number:
            self._floats.append(np.empty(0, np.float32))
        if self._floats[number].size < elements:
            self._floats[number] = np.empty(elements, np.float32)
        return self._floats[number][:elements]


@dataclass
class _Tile:
    job: Merge
    worker: Worker
    start: int
    size: int
    _base: F32 | None = None

    def base(self, buffer: int) -> F32:
        out = self.buffer(buffer)
        self.worker.base_bytes += self.worker.read(self.job.base, self.start, out)
        return out

    def expert(self, i: int, buffer: int) -> F32:
        change, out = self.job.experts[i], self.buffer(buffer)
        match change:
            case Source():
                return self._read(change, out)
            case Unchanged():
                np.copyto(out, self._own_base())
                return out
            case LowRank(over=Source() as over):
                return add_update(self._read(over, self._spare(1)), self._change(i, change, out))
            case Stored() | LowRank():
                return add_update(self._own_base(), self._change(i, change, out))

    def delta(self, i: int, base: F32, buffer: int) -> F32:
        change, out = self.job.experts[i], self.buffer(buffer)
        match change:
            case Source():
                return np.subtract(self._read(change, out), base, out=out)
            case Unchanged():
                out.fill(0)
                return out
            case LowRank(over=Source() as over):
                new = self._read(over, self._spare(1))
                np.subtract(new, base, out=new)
                return np.add(new, self._change(i, change, out), out=out)
            case Stored() | LowRank():
                return self._change(i, change, out)

    def buffer(self, number: int) -> F32:
        return self.worker.floats(number, self.size)

    def _spare(self, number: int) -> F32:
        return self.buffer(self.worker.operator.buffers + number)

    def _read(self, source: Source, out: F32) -> F32:
        self.worker.expert_bytes += self.worker.read(source, self.start, out)
        return out

    def _own_base(self) -> F32:
        """The base, read once for all experts that are weights on top of it."""
        if self._base is None:
            self._base = self.base(self.worker.operator.buffers)
        return self._base

    def _change(self, i: int, change: Stored | LowRank, out: F32) -> F32:
        if isinstance(change, Stored):
            return self._read(change.change, out)
        self.worker.factors(self.job, i, change).fill(out, self.start, scratch=self._spare(2))
        return out


class _Tensor:
    def __init__(self, job: Merge, worker: Worker, start: int = 0, stop: int | None = None) -> None:
        self._job, self._worker = job, worker
        self.elements = job.base.tensor.elements
        self._start, self._stop = start, self.elements if stop is None else stop

    def tiles(self, buffers: int) -> Iterator[_Tile]:
        size = max(1, WORKING_SET // (4 * buffers))
        for at in range(self._start, self._stop, size):
            yield _Tile(self._job, self._worker, at, min(size, self._stop - at))


def _units(job: Job, splits: bool) -> list[Unit]:
    if not isinstance(job, Merge):
        return [Unit(job, 0, 0)]
    elements = job.base.tensor.elements
    step = SPAN if splits else max(1, elements)
    return [Unit(job, at, min(at + step, elements)) for at in range(0, elements, step)]


def _cost(job: Job) -> int:
    if isinstance(job, SameHead) or (isinstance(job, Identical) and not job.written):
        return 0
    return job.target.bytes


def _paths(jobs: Sequence[Job]) -> set[Path]:
    paths = set()
    for job in jobs:
        match job:
            case SameHead(head, embedding):
                paths |= {head.path, embedding.path}
            case Copy(_, base):
                paths.add(base.path)
            case Identical(_, base, experts) | Merge(_, base, experts):
                paths.add(base.path)
                for expert in experts:
                    paths |= paths_of(expert)
    return paths


def _open(path: Path, stack: ExitStack) -> int:
    fd = os.open(path, os.O_RDONLY)
    stack.callback(os.close, fd)
    return fd
