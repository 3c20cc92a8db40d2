"""Deltas as experts: what each of them says about the tensors of a base."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from fusec.compiler.facts import EMBEDDINGS
from fusec.runtime.kernel import RunError
from fusec.runtime.kernels.merge.changes import Change, LowRank, Source, Stored
from fusec.runtime.kernels.merge.codec import STORED
from fusec.runtime.sources.adapter import AdapterPart, read_adapter
from fusec.runtime.sources.adapter_config import CONFIG
from fusec.runtime.sources.delta_folder import read_delta_folder
from fusec.runtime.sources.problems import Unusable
from fusec.runtime.sources.safetensors_header import ModelHeaders

_KEEP = "keep: leaves tensors to the base"
_OWN = "a delta fits the model that it was taken from or trained on"


@dataclass(frozen=True)
class Delta:
    """A delta by the tensors of the base that it changes."""

    folder: Path
    changes: Mapping[str, Change]
    shapes: Mapping[str, tuple[int, ...]]
    adapter: bool


def read_delta(folder: Path) -> Delta:
    """The delta in a folder, headers only: a PEFT adapter or a stored task vector. RunError if it is none."""
    try:
        return _adapter(folder) if (folder / CONFIG).is_file() else _stored(folder)
    except Unusable as unusable:
        raise RunError(f"{folder}: {unusable.problem.what}", hint=unusable.problem.hint) from unusable


def require_fit(delta: Delta, base: ModelHeaders, tied: bool) -> None:
    """RunError for the first tensor of a delta that a base has no counterpart for."""
    for name, shape in delta.shapes.items():
        what, there = f"{delta.folder} changes tensor `{name}`", base.tensors.get(name)
        if there is None:
            raise RunError(f"{what}, which is not in the base {base.folder}", hint=_OWN)
        if there.shape != shape:
            shapes = f"as {list(shape)}, but it is {list(there.shape)} in {base.folder}"
            raise RunError(f"{what} {shapes}", hint=_KEEP)
        if there.dtype not in STORED:
            raise RunError(f"{what}, which is {there.dtype} in {base.folder}", hint=_KEEP)
        if tied and delta.adapter and name.endswith(EMBEDDINGS):
            head = "is also the head of the base, and an adapter changes only one of the two"
            raise RunError(f"{what}, which {head}", hint=_KEEP)


def without(delta: Delta, patterns: Sequence[str]) -> Delta:
    """The delta without what it says about tensors that match a pattern."""
    left = [name for name in delta.shapes if not any(fnmatchcase(name, pattern) for pattern in patterns)]
    changes = {name: delta.changes[name] for name in left}
    return Delta(delta.folder, changes, {name: delta.shapes[name] for name in left}, delta.adapter)


def _stored(folder: Path) -> Delta:
    headers = read_delta_folder(folder)
    changes = {name: Stored(Source(headers.path_of(name), info)) for name, info in headers.tensors.items()}
    return Delta(folder, changes, {name: info.shape for name, info in headers.tensors.items()}, adapter=False)


def _adapter(folder: Path) -> Delta:
    adapter = read_adapter(folder)
    changes = {part.name: _change(adapter.path, part) for part in adapter.parts}
    return Delta(folder, changes, {part.name: part.shape for part in adapter.parts}, adapter=True)


def _change(path: Path, part: AdapterPart) -> Change:
    if part.product is None:
        assert part.whole is not None
        return Source(path, part.whole)
    return LowRank(path, part.product, Source(path, part.whole) if part.whole else None)
