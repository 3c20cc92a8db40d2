"""Runs commands cold, several times, and remembers what the kernel counted, also on disk."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .measure import Measured, measure
from .throttle import Throttle


@dataclass(frozen=True)
class Missing:
    """Why a contender could not do it."""

    why: str


@dataclass(frozen=True)
class Run(Measured):
    """The median of some runs. `ledger`: the bytes of experts that fusec says it has read, 0 for others."""

    ledger: int = 0


Outcome = Run | Missing


@dataclass
class Runs:
    """Each run starts with inputs evicted from the page cache and ends when its output is on the disk.

    It is repeated `repeats` times, unless that takes longer than `patience` seconds; the median by wall time
    counts. What has a name in `done` is not run again. `log` takes a line of JSON for each.
    """

    log: Path
    repeats: int = 3
    patience: float = 600.0
    tell: Callable[[str], None] = print
    throttle: Throttle | None = None
    done: dict[str, Outcome] = field(default_factory=dict)

    def resume(self) -> None:
        """Takes over what earlier runs found."""
        if self.log.exists():
            for line in self.log.read_text().splitlines():
                found = json.loads(line)
                self.done[found["what"]] = Run(**found["median"])

    def once(self, what: str, command: Sequence[str | Path], cold: Sequence[Path]) -> Outcome:
        """One run, whatever was done before."""
        found = measure(command, cold=cold)
        return self._note(what, [found]) if found.code == 0 else self._fail(what, found)

    def repeat(
        self,
        what: str,
        command: Callable[[], Sequence[str]],
        out: Path,
        cold: Sequence[Path],
        warm: Sequence[Path] = (),
        ledger: Callable[[], int] = lambda: 0,
    ) -> Outcome:
        """Runs what `command` prepares and gives, into `out`; `ledger` is asked after the last one.

        What lies below `warm` is read beforehand.
        """
        if self.throttle is not None:
            what = f"{what}, throttled"
        if what in self.done:
            return self.done[what]
        found: list[Measured] = []
        while len(found) < self.repeats and sum(one.wall for one in found) < self.patience:
            shutil.rmtree(out, ignore_errors=True)
            told = command()
            for path in warm:
                _read(path)
            if self.throttle is not None:
                told = self.throttle.command(told)
            one = measure(told, cold=cold, sync=[out])
            if one.code:
                return self._fail(what, one)
            found.append(one)
        return self._note(what, found, ledger())

    def _note(self, what: str, found: Sequence[Measured], ledger: int = 0) -> Run:
        middle = sorted(found, key=lambda one: one.wall)[(len(found) - 1) // 2]
        median = Run(**asdict(middle) | {"output": ""}, ledger=ledger)
        self.done[what] = median
        self.tell(f"  {what}: {median.wall:.1f} s, {median.cpu:.1f} CPU s")
        record = {"what": what, "median": asdict(median), "walls": [one.wall for one in found]}
        with self.log.open("a") as file:
            file.write(json.dumps(record) + "\n")
        return median

    def _fail(self, what: str, found: Measured) -> Missing:
        missing = Missing(reason(found.output))
        self.done[what] = missing
        self.tell(f"  {what}: {missing.why}")
        return missing


def reason(printed: str) -> str:
    """The line of a failed command's output that says why, short enough for a table."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    said = [line for line in lines if line.startswith(("error", "Error", "Usage"))]
    return (said or lines[-1:] or ["it failed without a message"])[0].replace("|", "/")[:120]


def _read(folder: Path) -> None:
    for file in (path for path in folder.rglob("*") if path.is_file()):
        with file.open("rb") as source:
            while source.read(1 << 22):
                pass
