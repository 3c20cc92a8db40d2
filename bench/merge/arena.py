"""The contenders on one family of models, and the stores that know the family."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
from .measure import evict
from .runs import Missing, Outcome, Run, Runs
from .throttle import Throttle

SPEC, MANIFEST = "spec.fuse", "manifest.json"
NEW, LOCKED, ANALYSED = "new", "locked", "analysed"
"""What a store knows before a run: nothing; what the inputs are; also every block of them."""

_SETTLED = 3.0
"""Seconds after which a file that nobody writes to counts as settled."""


@dataclass
class Arena:
    """A family on disk, a folder `work` to work in, and a folder `out` for what outlasts this process."""

    family: Path
    work: Path
    out: Path
    runs: Runs
    stores: dict[str, Path] = field(default_factory=dict)

    @property
    def base(self) -> Path:
        return self.family / "base"

    def experts(self, count: int) -> list[Path]:
        return [self.family / f"expert{i:02d}" for i in range(count)]

    @property
    def size(self) -> int:
        """The number of experts there are."""
        return len(list(self.family.glob("expert*")))

    @property
    def model_bytes(self) -> int:
        return sum(file.stat().st_size for file in self.base.glob("*.safetensors"))

    def behind(self, throttle: Throttle) -> Arena:
        """The same arena with every run throttled."""
        return replace(self, runs=replace(self.runs, throttle=throttle))

    # --- contenders ---------------------------------------------------------------------------------

    def floor(self, count: int) -> Outcome:
        out = self.work / "floor"
        command = floor_command(out, self.base, self.experts(count))
        return self.runs.repeat(f"floor K={count}", lambda: command, out, self._cold(count))

    def naive(self, operator: str, count: int) -> Outcome:
        out = self.work / "naive"
        command = naive_command(operator, out, self.base, self.experts(count))
        return self.runs.repeat(f"naive {operator} K={count}", lambda: command, out, self._cold(count))

    def mergekit(self, operator: str, count: int, *more: str) -> Outcome:
        """mergekit in float32 arithmetic; `more` are further options of its command line."""
        if not MERGEKIT.exists():
            return Missing("not installed: make bench-peers")
        out, yaml = self.work / "mergekit", self.work / "mergekit.yml"
        told = OPERATORS[operator]
        yaml.write_text(mergekit_yaml(told, self.base, self.experts(count)[: told.experts]))
        command = mergekit_command(yaml, out, *more)
        what = " ".join([f"mergekit {operator} K={count}", *more])
        return self.runs.repeat(what, lambda: command, out, self._cold(count))

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
            self.runs.done.pop(what, None)  # what an earlier run has written is gone

        def command() -> list[str]:
            self._spec(folder, store, fuse_spec(told, self.base, experts, slots=slots))
            return [str(FUSEC), "run", str(folder / SPEC)]

        cold = experts if warm_base else self._cold(count)
        warm = [self.base, folder / ".fusec"] if warm_base else []
        found = self.runs.repeat(what, command, folder / "out", cold, warm, lambda: _expert_bytes(folder))
        if keep is not None and isinstance(found, Run):
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
        folder, told = self.work / "plan", OPERATORS[operator]
        self._spec(folder, ANALYSED, fuse_spec(told, self.base, self.experts(count), slots=slots))
        return self.runs.once(f"plan {operator} K={count}", [FUSEC, "plan", folder / SPEC], [])

    # --- stores -------------------------------------------------------------------------------------------

    def lock(self, count: int) -> Outcome:
        """Prepares the store `LOCKED`: a first merge leaves the digests of all inputs behind."""
        what, folder = f"first merge K={count}", self.out / LOCKED
        if what not in self.runs.done or not folder.exists():
            self._settle(count)
            self._spec(folder, NEW, fuse_spec(OPERATORS["linear"], self.base, self.experts(count)))
            self.runs.once(what, [FUSEC, "run", folder / SPEC], self._cold(count))
            # Its results are not to be found again.
            for results in ("out", ".fusec/objects", ".fusec/runs"):
                shutil.rmtree(folder / results, ignore_errors=True)
        return self._offer(LOCKED, what, folder)

    def _settle(self, count: int) -> None:
        """Waits until the digests of the family's files will be remembered: a clock may not tell apart two
        writes within a moment."""
        files = [file for model in (self.base, *self.experts(count)) for file in model.iterdir()]
        newest = max(file.stat().st_ctime for file in files)
        time.sleep(max(0.0, newest + _SETTLED - time.time()))

    def analyse(self, count: int, *, block: int | None = None) -> Outcome:
        """Prepares the store `ANALYSED`, or for blocks of so many elements `analysed_in(block)`."""
        if LOCKED not in self.stores:
            return Missing(f"the family could not be {LOCKED}")
        name = ANALYSED if block is None else analysed_in(block)
        what, folder = f"{name} K={count}", self.out / name.replace(" ", "-")
        if what not in self.runs.done or not folder.exists():
            fresh(folder)
            shutil.copytree(self.stores[LOCKED], folder, dirs_exist_ok=True)
            command: list[str | Path] = [FUSEC, "catalog", "analyze", "--gram", "--store", folder / ".fusec"]
            command += ["--base", self.base, *self.experts(count)]
            command += ["--block", str(block)] if block is not None else []
            self.runs.once(what, command, self._cold(count))
        return self._offer(name, what, folder)

    def _offer(self, name: str, what: str, folder: Path) -> Outcome:
        found = self.runs.done[what]
        if isinstance(found, Run):
            self.stores[name] = folder
        return found

    def _spec(self, folder: Path, store: str, text: str) -> None:
        fresh(folder)
        if store != NEW:
            shutil.copytree(self.stores[store], folder, dirs_exist_ok=True)
        (folder / SPEC).write_text(text)
        evict(folder)

    def _cold(self, count: int) -> list[Path]:
        return [self.base, *self.experts(count)]


def analysed_in(block: int) -> str:
    """The store of a family analysed in blocks of so many elements."""
    return f"{ANALYSED} by {block}"


def _expert_bytes(folder: Path) -> int:
    """What the manifest of the only run below `folder` says."""
    (manifest,) = (folder / ".fusec").glob("runs/*/manifest.json")
    nodes = json.loads(manifest.read_text())["nodes"]
    return sum(int(node["actual"].get("expert_bytes", 0)) for node in nodes)
