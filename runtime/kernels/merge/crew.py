"""What one thread does where several merges share a scan: all of them at each tile, one after another."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fusec.runtime.kernel import RunError
from fusec.runtime.kernels.merge.match import Copy, Identical, Job, Merge, SameHead
from fusec.runtime.kernels.merge.scan import Scan
from fusec.runtime.kernels.merge.units import Unit
from fusec.runtime.kernels.merge.worker import Worker


@dataclass(frozen=True)
class Round:
    """The units of some members, by their numbers, that are worked on in step: all of one tensor range.

    `tapped` says whether they are what an analysis sees of the range.
    """

    units: Mapping[int, Unit]
    tapped: bool = False


class Failures:
    """The first error of each member in the order of rounds, whichever thread is first.

    What comes behind it is not done for that member; what comes before it is.
    """

    def __init__(self) -> None:
        self._first: dict[int, tuple[int, Exception]] = {}
        self._lock = threading.Lock()

    def add(self, member: int, number: int, error: Exception) -> None:
        """A member failed in the round of this number."""
        with self._lock:
            if number < self._first.get(member, (number + 1, error))[0]:
                self._first[member] = number, error

    def before(self, member: int, number: int) -> bool:
        """Whether a member failed in an earlier round."""
        found = self._first.get(member)
        return found is not None and found[0] < number

    def of(self, member: int) -> Exception | None:
        found = self._first.get(member)
        return None if found is None else found[1]


class Crew:
    """One worker for each member, on one thread at a time, with one memory and one reader."""

    def __init__(self, workers: Mapping[int, Worker], scan: Scan, failures: Failures) -> None:
        self.workers, self.scan, self._failures = workers, scan, failures

    def do(self, number: int, round: Round) -> None:
        """Does one round, for the members that have not failed before."""
        units = {m: unit for m, unit in round.units.items() if not self._failures.before(m, number)}
        merges = {m: (unit.job, unit) for m, unit in units.items() if isinstance(unit.job, Merge)}
        if merges:
            self._merge(number, merges, round.tapped)
        else:
            self._check_and_copy(number, units)
        self.scan.reader.forget()

    def _merge(self, number: int, merges: Mapping[int, tuple[Merge, Unit]], tapped: bool) -> None:
        steps = {m: self.workers[m].steps(job, unit) for m, (job, unit) in merges.items()}
        job, unit = next(iter(merges.values()))
        # All prepare before the first reads on: what they announce would take each other's place.
        ready = [(at, m) for m in steps if (at := self._advance(number, m, steps[m])) is not None]
        with self.scan.unit(job, unit.start, unit.stop, tapped):
            while ready:
                _, m = heapq.heappop(ready)
                at = self._advance(number, m, steps[m])
                if at is not None:
                    heapq.heappush(ready, (at, m))

    def _advance(self, number: int, member: int, steps: Iterator[int]) -> int | None:
        """Where a member is to work next, None at its end."""
        try:
            return next(steps, None)
        except (RunError, OSError) as error:
            self._failures.add(member, number, error)
            return None

    def _check_and_copy(self, number: int, units: Mapping[int, Unit]) -> None:
        """What holds for one member holds for all, so the first one who gets that far checks it."""
        checked = False
        for m, unit in units.items():
            job = _unchecked(unit.job) if checked else unit.job
            try:
                if job is not None:
                    self.workers[m].do(Unit(job))
                checked = True
            except (RunError, OSError) as error:
                self._failures.add(m, number, error)


def _unchecked(job: Job) -> Job | None:
    """What is left to do once experts have been compared."""
    match job:
        case Identical(target, base, _, written):
            return Copy(target, base) if written else None
        case SameHead():
            return None
        case _:
            return job
