"""Runs contenders on one family, cold, several times, and remembers what the kernel counted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from .contenders import (
    FUSEC,
    MERGEKIT,
    OPERATORS,
    floor_command,
    fresh,
    fuse_spec,
    mergekit_command,
    mergekit_yaml,
    naive_command,
)
from .measure import Measured, evict, measure
from .throttle import Throttle

SPEC, MANIFEST = "spec.fuse", "manifest.json"
NEW, LOCKED, ANALYSED = "new", "locked", "analysed"
"""What a store knows before a run: nothing; what the inputs are; also every block of them."""


@dataclass(frozen=True)
class Missing:
    """Why a contender could not do it."""

    why: str


@dataclass(frozen=True)
class Run(Measured):
    """The median of some runs. `ledger`: the bytes of experts that fusec says it has read, 0 for others."""

    ledger: int = 0


Outcome = Measured | Missing


@dataclass
class Arena:
    """A family on disk and a folder to work in.

    Each run starts with the inputs evicted from the page cache and ends when its output is on the disk. It
    is repeated `repeats` times, unless that takes longer than `patience` seconds; the median by wall time
    counts.
    """

    family: Path
    work: Path
    log: Path
    repeats: int = 3
    patience: float = 600.0
    env: Mapping[str, str] = field(default_factory=dict)
    throttle: Throttle | None = None
    stores: dict[str, Path] = field(default_factory=dict)
    done: dict[str, Outcome] = field(default_factory=dict)
    tell: Callable[[str], None] = print

    @property
    def base(self) -> Path:
        return self.family / "base"

    def experts(self, count: int) -> list[Path]:
        return [self.family / f"expert{i:02d}" for i in range(count)]

    @property
    def model_bytes(self) -> int:
        return sum(file.stat().st_size for file in self.base.glob("*.safetensors"))

    def behind(self, throttle: Throttle) -> Arena:
        """The same arena with every run throttled."""
        return replace(self, throttle=throttle)

    def resume(self) -> None:
        """Takes over what earlier runs found."""
        if self.log.exists():
            for line in self.log.read_text().splitlines():
                found = json.loads(line)
                self.done[found["what"]] = Run(**found["median"])

    # --- contenders ---------------------------------------------------------------------------------

    def floor(self, count: int) -> Outcome:
        out = self.work / "floor"
        command = floor_command(out, self.base, self.experts(count))
        return self._repeat(f"floor K={count}", lambda: command, out, self._cold(count))

    def naive(self, operator: str, count: int) -> Outcome:
        out = self.work / "naive"
        command = naive_command(operator, out, self.base, self.experts(count))
        return self._repeat(f"naive {operator} K={count}", lambda: command, out, self._cold(count))

    def mergekit(self, operator: str, count: int, *more: str) -> Outcome:
        """mergekit in float32 arithmetic; `more` are further options of its command line."""
        if not MERGEKIT.exists():
            return Missing("not installed: make bench-peers")
        out, yaml = self.work / "mergekit", self.work / "mergekit.yml"
        told = OPERATORS[operator]
        yaml.write_text(mergekit_yaml(told, self.base, self.experts(count)[: told.experts]))
        command = mergekit_command(yaml, out, *more)
        what = " ".join([f"mergekit {operator} K={count}", *more])
        return self._repeat(what, lambda: command, out, self._cold(count))

    def fusec(
        self,
        operator: str,
        count: int,
        *,
        store: str = ANALYSED,
        slots: Mapping[str, str] = {},
        warm_base: bool = False,
        keep: Path | None = None,
    ) -> Outcome:
        """`fusec run` of a spec, into a store that was prepared under this name or, for `NEW`, into none.

        With `warm_base` experts start cold and all else warm, without it the store is cold too. The output is
        moved to `keep` afterwards, with the manifest.
        """
        folder, told = self.work / "fusec", OPERATORS[operator]
        experts = self.experts(count)[: told.experts]
        marks = [f"{k}={v}" for k, v in slots.items()] + ["warm base"] * warm_base
        what = ", ".join([f"fusec {operator} K={count}", store, *marks])
        if store != NEW and store not in self.stores:
            return Missing(f"the family could not be {store}")
        if keep is not None:
            self.done.pop(what, None)  # what an earlier run has written is gone

        def command() -> list[str]:
            self._spec(folder, store, fuse_spec(told, self.base, experts, slots=slots))
            return [str(FUSEC), "run", str(folder / SPEC)]

        cold = experts if warm_base else self._cold(count)
        warm = [self.base, folder / ".fusec"] if warm_base else []
        found = self._repeat(what, command, folder / "out", cold, warm, lambda: _expert_bytes(folder))
        if keep is not None and isinstance(found, Measured):
            shutil.rmtree(keep, ignore_errors=True)
            shutil.move(folder / "out", keep)
            for manifest in (folder / ".fusec").glob("runs/*/manifest.json"):
                shutil.copy(manifest, keep / MANIFEST)
        shutil.rmtree(folder, ignore_errors=True)
        return found

    def plan(self, operator: str, count: int, slots: Mapping[str, str]) -> Outcome:
        """`fusec plan` of a merge of the analysed family."""
        if ANALYSED not in self.stores:
            return Missing(f"the family could not be {ANALYSED}")
        folder = self.work / "plan"
        self._spec(
            folder, ANALYSED, fuse_spec(OPERATORS[operator], self.base, self.experts(count), slots=slots)
        )
        return self._once([FUSEC, "plan", folder / SPEC], [])

    def _spec(self, folder: Path, store: str, text: str) -> None:
        fresh(folder)
        if store != NEW:
            shutil.copytree(self.stores[store], folder, dirs_exist_ok=True)
        (folder / SPEC).write_text(text)
        evict(folder)

    # --- stores that know the family --------------------------------------------------------------------

    def lock(self, count: int) -> Outcome:
        """Prepares the store `LOCKED`: a first merge leaves the digests of all inputs behind."""
        folder = self.work / "locked"
        self._spec(folder, NEW, fuse_spec(OPERATORS["linear"], self.base, self.experts(count)))
        found = self._once([FUSEC, "run", folder / SPEC], self._cold(count))
        if isinstance(found, Measured):
            # Its results are not to be found again.
            shutil.rmtree(folder / "out")
            for results in ("objects", "runs"):
                shutil.rmtree(folder / ".fusec" / results)
            self.stores[LOCKED] = folder
        return found

    def analyse(self, count: int, *, block: int | None = None) -> Outcome:
        """Prepares the store `ANALYSED`, or for blocks of so many elements `analysed_in(block)`."""
        if LOCKED not in self.stores:
            return Missing(f"the family could not be {LOCKED}")
        name = ANALYSED if block is None else analysed_in(block)
        folder = fresh(self.work / name.replace(" ", "-"))
        shutil.copytree(self.stores[LOCKED], folder, dirs_exist_ok=True)
        command = [FUSEC, "catalog", "analyze", "--gram", "--store", folder / ".fusec", "--base", self.base]
        if block is not None:
            command += ["--block", str(block)]
        found = self._once([*command, *self.experts(count)], self._cold(count))
        if isinstance(found, Measured):
            self.stores[name] = folder
        return found

    # --- running ----------------------------------------------------------------------------------------

    def _cold(self, count: int) -> list[Path]:
        return [self.base, *self.experts(count)]

    def _once(self, command: Sequence[str | Path], cold: Sequence[Path]) -> Outcome:
        found = measure(command, cold=cold, env=self.env)
        return found if found.code == 0 else Missing(_reason(found.output))

    def _repeat(
        self,
        what: str,
        command: Callable[[], Sequence[str]],
        out: Path,
        cold: Sequence[Path],
        warm: Sequence[Path] = (),
        ledger: Callable[[], int] = lambda: 0,
    ) -> Outcome:
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
            one = measure(told, cold=cold, sync=[out], env=self.env)
            if one.code:
                self.tell(f"  {what}: {_reason(one.output)}")
                self.done[what] = Missing(_reason(one.output))
                return self.done[what]
            found.append(one)
        median = sorted(found, key=lambda one: one.wall)[(len(found) - 1) // 2]
        median = self.done[what] = Run(**asdict(median) | {"output": ""}, ledger=ledger())
        self.tell(f"  {what}: {median.wall:.1f} s, {median.cpu:.1f} CPU s")
        record = {"what": what, "median": asdict(median), "walls": [one.wall for one in found]}
        with self.log.open("a") as file:
            file.write(json.dumps(record) + "\n")
        return median


def analysed_in(block: int) -> str:
    """The store of a family analysed in blocks of so many elements."""
    return f"{ANALYSED} by {block}"


def _expert_bytes(folder: Path) -> int:
    """What the manifest of the only run below `folder` says."""
    (manifest,) = (folder / ".fusec").glob("runs/*/manifest.json")
    nodes = json.loads(manifest.read_text())["nodes"]
    return sum(int(node["actual"].get("expert_bytes", 0)) for node in nodes)


def _read(folder: Path) -> None:
    for file in (path for path in folder.rglob("*") if path.is_file()):
        with file.open("rb") as source:
            while source.read(1 << 22):
                pass


def _reason(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    said = [line for line in lines if line.startswith(("error", "Error", "Usage"))]
    return (said or lines[-1:] or ["it failed without a message"])[-1].replace("|", "/")[:120]
