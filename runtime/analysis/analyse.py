"""Measures models block by block into the catalog, reading every weight of all of them once.

Memory is some MB per thread, and the columns of the tensors in the making; finished ones wait on the disk.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fusec.compiler.reads.grid import BLOCK
from fusec.runtime.analysis.columns import Columns
from fusec.runtime.analysis.columns_store import ColumnsStore, weights_files, weights_stamp
from fusec.runtime.analysis.findings import AnalysedModel, Findings, Owned
from fusec.runtime.analysis.groups import Group
from fusec.runtime.analysis.inner import CHUNK
from fusec.runtime.analysis.measuring import measure
from fusec.runtime.analysis.members import Member, measurable
from fusec.runtime.analysis.spill import Spill
from fusec.runtime.catalog import is_fresh
from fusec.runtime.kernel import RunError
from fusec.runtime.kernels.merge.changes import Source, Stored
from fusec.runtime.kernels.merge.match import Merge, SameHead, match_tensors

Progress = Callable[[int, int], None]
"""Called with bytes read so far and in all."""

_PATIENCE = 3.0


@dataclass(frozen=True)
class Analysis:
    """The models in the order given, the base first where there is one; bytes of weights that were read."""

    models: tuple[AnalysedModel, ...]
    bytes: int


def analyse(
    store: ColumnsStore,
    models: Sequence[Path],
    base: Path | None = None,
    *,
    keep: Sequence[str] = (),
    gram: bool = False,
    block: int = BLOCK,
    threads: int = 1,
    progress: Progress = lambda done, total: None,
) -> Analysis:
    """Writes the columns of all models, and of their changes against `base`, to the catalog.

    Models are folders with weights, or stored task vectors. With `gram` also the inner products among the
    changes. `keep`: patterns of tensors that are not compared with the base. Raises RunError for what is no
    model, is damaged, changes meanwhile, or does not fit the base; then nothing is written.
    """
    campaign = Campaign(store, models, base, keep=keep, gram=gram, block=block)
    return campaign.finish(threads, progress)


class Campaign:
    """One analysis from its plan to its rows: groups of tensors, each measured once by whoever reads it."""

    def __init__(
        self,
        store: ColumnsStore,
        models: Sequence[Path],
        base: Path | None,
        *,
        keep: Sequence[str],
        gram: bool,
        block: int,
        patient: bool = True,
    ) -> None:
        """Waits, if `patient`, until the stamps of the files would show a write from now on."""
        if block < CHUNK or block & (block - 1):
            hint = f"use a power of two from {CHUNK} on"
            raise RunError(f"a block of {block} elements cannot be measured", hint=hint)
        self.block = block
        self._members = [measurable(folder) for folder in ([base] if base else []) + [*models]]
        if patient:
            _settle(self._members)
        self._remembered = patient or not _fresh(self._members)
        self._stamps = [weights_stamp(member.folder) for member in self._members]
        self._store, self._base, self._gram = store, base, gram
        self._groups = _family(self._members, keep, gram) if base else _alone(self._members)
        self._done: set[int] = set()
        self._found = Findings(
            [member.folder for member in self._members], block, Spill(store.catalog.path.parent)
        )
        self.compared = {owned.group.base.tensor.name: owned for owned in self._groups if owned.compared}
        """Tensors of the base that experts are compared in, by name."""

    def add(self, owned: Owned, columns: Columns) -> None:
        """The complete columns of a group."""
        self._found.add(owned, columns)
        owned.group.forget()
        self._done.add(id(owned))

    def finish(self, threads: int, progress: Progress = lambda done, total: None) -> Analysis:
        """Measures the groups that were not added, and writes everything to the catalog."""
        left = [owned for owned in self._groups if id(owned) not in self._done]
        done, everything = 0, sum(owned.group.bytes for owned in left)
        for owned, columns in measure(left, self.block, threads):
            self.add(owned, columns)
            done += owned.group.bytes
            progress(done, everything)
        for member, stamp in zip(self._members, self._stamps, strict=True):
            if weights_stamp(member.folder) != stamp:
                hint = "analyse it when nobody writes to it"
                raise RunError(f"{member.folder} changed while it was read", hint=hint)
        self._store.add(self._found.sets(family=self._base is not None, gram=self._gram))
        if self._remembered:
            for member, stamp, root in zip(self._members, self._stamps, self._found.roots(), strict=True):
                self._store.remember(member.folder, stamp, root)
        return Analysis(self._found.models(), everything)


def _family(members: Sequence[Member], keep: Sequence[str], gram: bool) -> list[Owned]:
    """One group per tensor of the base, then what experts store besides."""
    jobs = match_tensors(members[0].stored, [expert.content for expert in members[1:]], keep=keep)
    groups = []
    for job in jobs:
        match job:
            case Merge(_, source, changes):
                own = [change if isinstance(change, Source | Stored) else None for change in changes]
                groups.append(Owned(Group(source, own, gram), 0, compared=True))
            case SameHead():
                pass
            case _:
                groups.append(Owned(Group(job.base), 0))
    covered = {
        (owned.owner + number, source.tensor.name)
        for owned in groups
        for number, source in enumerate(owned.group.sources())
        if source
    }
    rest = [owned for owned in _alone(members) if (owned.owner, owned.group.base.tensor.name) not in covered]
    return groups + rest


def _alone(members: Sequence[Member]) -> list[Owned]:
    return [
        Owned(Group(Source(member.stored.path_of(name), info)), owner)
        for owner, member in enumerate(members)
        for name, info in member.stored.tensors.items()
    ]


def _fresh(members: Sequence[Member]) -> bool:
    paths = (path for member in members for path in weights_files(member.folder))
    return any(path.is_file() and is_fresh(os.path.realpath(path)) for path in paths)


def _settle(members: Sequence[Member]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while _fresh(members) and time.monotonic() < deadline:
        time.sleep(0.05)
