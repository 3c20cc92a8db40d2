"""The limits of a budget while a plan runs: what was used of each, and the stop where one is crossed."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from fusec.compiler.plan import Plan, PlannedLimit, Task
from fusec.compiler.step import find_verb
from fusec.lang.codes.fuse310_limit_crossed import LimitCrossed
from fusec.runtime.kernel import Context, Meter
from fusec.runtime.manifest import LimitRecord
from fusec.runtime.trouble import refused

Clock = Callable[[], float]


class Metering:
    """Counts what one run uses of each limit of its plan, in the limit's unit.

    Bytes and tokens are those that kernels count on their meters. Time on GPUs and money are the seconds of
    the tasks, by the GPUs and the price of the place that the plan gave them; on the CPU nothing counts as
    time on a GPU. Used together by one thread only, the one that kernels call `emit` in.
    """

    def __init__(self, plan: Plan, device: str, *, stops: bool = True, clock: Clock = time.monotonic) -> None:
        self._limits, self._stops, self._clock = plan.limits, stops, clock
        self._tasks: Mapping[str, Task] = {task.name: task for task in plan.tasks}
        self._on_gpu = device != "cpu"
        self._started = self._began = clock()
        self._running: Collection[str] = ()
        self._meters: list[Meter] = []
        self._gpu_seconds = self._money = 0.0

    def begin(self, meters: Mapping[str, Meter]) -> None:
        """From now on these tasks run, and share the time. Stops where a limit is crossed already."""
        self._meters += meters.values()
        self._began, self._running = self._clock(), meters
        self.check(next(iter(meters)))

    def end(self) -> None:
        """The tasks that ran are done, or failed; what they used stays used."""
        self._gpu_seconds, self._money = self._timed()
        self._began, self._running = self._clock(), ()

    def watched(self, task: str, ctx: Context) -> Context:
        """The context of a task whose kernel stops where it emits, or gives a pulse, beyond a limit."""

        def emit(kind: str, /, **fields: Any) -> None:
            self.check(task)
            ctx.emit(kind, **fields)

        return replace(ctx, emit=emit, pulse=partial(self.check, task))

    def check(self, task: str, *, finished: bool = False) -> None:
        """Raises `RunError` (FUSE310) for the first limit that is crossed; `task` is what is at work."""
        if not self._stops:
            return
        for limit in self._limits:
            used = self.used(limit.name)
            if used > limit.limit:
                crossed = _amount(limit, used)
                raise refused(LimitCrossed(task, limit.name, crossed, limit.text(limit.limit), finished))

    def used(self, limit: str) -> float:
        """What the run used of a limit until now."""
        match limit:
            case "wall":
                return self._clock() - self._started
            case "gpu":
                return self._timed()[0] / 3600
            case "cost":
                return self._timed()[1]
            case "teacher":
                return float(sum(meter.teacher_tokens for meter in self._meters))
            case "expert_reads":
                return float(sum(meter.expert_bytes for meter in self._meters))
            case "writes":
                return float(sum(meter.bytes_written for meter in self._meters))
        assert limit == "reads"
        return float(sum(meter.bytes_read + meter.analysis_bytes for meter in self._meters))

    def records(self) -> tuple[LimitRecord, ...]:
        """Every limit, what the plan needed of it and what the run used."""
        return tuple(self._record(limit) for limit in self._limits)

    def _record(self, limit: PlannedLimit) -> LimitRecord:
        return LimitRecord(
            name=limit.name,
            unit=limit.unit,
            limit=limit.limit,
            estimated=limit.planned,
            used=self.used(limit.name),
        )

    def _timed(self) -> tuple[float, float]:
        """GPU seconds and money until now; tasks that run at once have equal parts of the time."""
        gpu_seconds, money = self._gpu_seconds, self._money
        each = (self._clock() - self._began) / max(1, len(self._running))
        for name in self._running:
            task = self._tasks[name]
            gpu_seconds += each * self._gpus(task)
            if task.money is not None:
                money += each * task.money.likely / task.seconds.likely
        return gpu_seconds, money

    def _gpus(self, task: Task) -> int:
        """The GPUs that a task holds: those of its place, and without one the GPU of this machine."""
        if not self._on_gpu:
            return 0
        if task.place is not None:
            return task.place.ask.gpus
        verb = find_verb(task.verb)
        return int(verb is not None and verb.on_gpu)


def _amount(limit: PlannedLimit, used: float) -> str:
    """What was used, told apart from the limit where both are the same to three digits."""
    text, allows = limit.text(used), limit.text(limit.limit)
    return text if text != allows else f"{allows} and {limit.text(used - limit.limit)} more"
