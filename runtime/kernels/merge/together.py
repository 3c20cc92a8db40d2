"""Several merges of one base and the same experts in one scan, and an analysis that goes along.

Every block of base and experts that merges need while they write is read and decoded once, by the first of
them who asks, and counts as read by that one. What a method reads before, to prepare a tensor, it reads for
itself. A tensor that a member does not merge range by range, or reads by a plan of its own, is done alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import chain
from queue import SimpleQueue
from typing import Any, NamedTuple

import numpy as np

from fusec.runtime.kernel import Context, RunError
from fusec.runtime.kernels.merge import Prepared, failures_are_clear, prepare
from fusec.runtime.kernels.merge.crew import Crew, Failures, Round
from fusec.runtime.kernels.merge.engine import Counts, Progress, follow, paths
from fusec.runtime.kernels.merge.match import Job, Merge, SameHead
from fusec.runtime.kernels.merge.memory import Memory
from fusec.runtime.kernels.merge.reader import Files, Reader
from fusec.runtime.kernels.merge.reads import Reads
from fusec.runtime.kernels.merge.scan import Scan, Tap, buffers_of
from fusec.runtime.kernels.merge.shelf import Shelf
from fusec.runtime.kernels.merge.units import Unit, units_of
from fusec.runtime.kernels.merge.worker import Worker


class Member(NamedTuple):
    """One merge, as `run` takes it."""

    inputs: Mapping[str, Any]
    slots: Mapping[str, Any]
    ctx: Context


def run_together(members: Sequence[Member], tap: Tap | None = None) -> tuple[RunError | None, ...]:
    """Does merges of one base, the same experts and the same `keep`, each into its `ctx.out`.

    Gives what kept each of them from being done. Results are those of `run`, byte for byte. `tap` is told all
    that is stored of the tensors that are merged; what is read for it alone counts as the first member's
    `analysis_bytes`. Raises RunError for what ends all of them.
    """
    prepared: dict[int, Prepared] = {}
    errors: dict[int, RunError] = {}
    for m, member in enumerate(members):
        try:
            with failures_are_clear(member.ctx):
                prepared[m] = prepare(*member)
        except RunError as error:
            errors[m] = error
    if prepared:
        contexts = {m: members[m].ctx for m in prepared}
        failures = _stream(prepared, contexts, tap)
        for m, ctx in contexts.items():
            failure = failures.of(m)
            try:
                with failures_are_clear(ctx):
                    if failure is not None:
                        raise failure
            except RunError as error:
                errors[m] = error
    return tuple(errors.get(m) for m in range(len(members)))


def _stream(prepared: Mapping[int, Prepared], contexts: Mapping[int, Context], tap: Tap | None) -> Failures:
    failures, threads = Failures(), next(iter(contexts.values())).threads
    with ExitStack() as stack:
        for m, merge in prepared.items():
            stack.enter_context(failures_are_clear(contexts[m]))
            stack.enter_context(merge.writer)
        rounds = list(_rounds(prepared, tap is not None))
        files = Files(paths(chain.from_iterable(m.jobs for m in prepared.values())), threads, stack)
        shelves = {m: _shelf(m, rounds) for m in prepared}
        crews = [_crew(prepared, files, shelves, tap, failures) for _ in range(threads)]
        free: SimpleQueue[Crew] = SimpleQueue()
        for crew in crews:
            free.put(crew)

        def work(number: int, round: Round) -> None:
            crew = free.get()
            try:
                crew.do(number, round)
            finally:
                free.put(crew)

        workers = {m: [crew.workers[m] for crew in crews] for m in prepared}
        counts = {m: Counts(workers[m], contexts[m].meter) for m in prepared}
        tells = [Progress(contexts[m], merge.jobs, counts[m]) for m, merge in prepared.items()]
        pool = ThreadPoolExecutor(threads, "merge")
        try:
            follow([pool.submit(work, *numbered) for numbered in enumerate(rounds)], partial(_all, tells))
            files.require_unchanged()
        finally:
            pool.shutdown(cancel_futures=True)
            for m, merge in prepared.items():
                counts[m].finish(merge.jobs)
            first = next(iter(contexts.values()))
            first.meter.analysis_bytes += sum(crew.scan.extra_bytes for crew in crews)
    return failures


def _all(tells: Sequence[Callable[[], None]]) -> None:
    for tell in tells:
        tell()


def _crew(
    prepared: Mapping[int, Prepared],
    files: Files,
    shelves: Mapping[int, Shelf],
    tap: Tap | None,
    failures: Failures,
) -> Crew:
    scan = Scan(Reader(files), Memory(), tap)
    workers = {
        m: Worker(p.operators, scan.reader, p.writer, shelves[m], "merged tensor", p.identities, scan)
        for m, p in prepared.items()
    }
    return Crew(workers, scan, failures)


def _shelf(member: int, rounds: Sequence[Round]) -> Shelf:
    own = (round.units[member].job for round in rounds if member in round.units)
    return Shelf(job.target.name for job in own if isinstance(job, Merge))


# --- which units go in step ---------------------------------------------------------------------------------


def _rounds(prepared: Mapping[int, Prepared], tapped: bool) -> Iterator[Round]:
    """The work in the order of jobs: first checks, then tensor by tensor."""
    jobs: dict[Job | str, dict[int, Job]] = {}
    for m, merge in prepared.items():
        for job in merge.jobs:
            key = job if isinstance(job, SameHead) else job.target.name
            jobs.setdefault(key, {})[m] = job
    for same in jobs.values():
        merges = {m: job for m, job in same.items() if isinstance(job, Merge)}
        if merges:
            yield from _of_tensor(merges, prepared, tapped)
        else:
            yield Round({m: Unit(job) for m, job in same.items()})


def _of_tensor(jobs: Mapping[int, Merge], prepared: Mapping[int, Prepared], tapped: bool) -> Iterator[Round]:
    operators = {m: prepared[m].operators(job.target.name) for m, job in jobs.items()}
    by_range = [m for m in jobs if operators[m].grain == "elements"]
    together = [m for m in by_range if _alike(jobs[m].reads, jobs[by_range[0]].reads)]
    if together:
        job = jobs[together[0]]
        buffers = max(operators[m].buffers for m in together) + buffers_of(job, tapped)
        for unit in units_of([job], prepared[together[0]].operators):
            yield Round({m: Unit(jobs[m], unit.start, unit.stop, buffers) for m in together}, tapped)
    for m in (m for m in jobs if m not in together):
        sees = tapped and not together and m == min(jobs)
        buffers, end = operators[m].buffers + buffers_of(jobs[m], sees), jobs[m].base.tensor.elements
        units = units_of([jobs[m]], prepared[m].operators)
        # An analysis goes through a tensor in flat order; rows end where no block does.
        for unit in [Unit(jobs[m], 0, end)] if sees and units else units:
            yield Round({m: Unit(jobs[m], unit.start, unit.stop, buffers)}, sees)


def _alike(one: Reads | None, other: Reads | None) -> bool:
    """Whether two merges read the same of a tensor."""
    if one is None or other is None:
        return one is other
    tables = ((one.read, other.read), (one.zero, other.zero), (one.owner, other.owner))
    return one.block == other.block and all(np.array_equal(a, b) for a, b in tables)
