"""Where the pieces of a run lie: the store keeps `runs/<id>/` with plan, events and manifest."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from fusec.runtime.kernel import RunError

MANIFEST = "manifest.json"


class RunPlace(NamedTuple):
    """A run folder in its store; `base` is the folder that relative paths start at unless told otherwise."""

    manifest: Path
    folder: Path
    store: Path
    base: Path


def place_of(manifest: Path) -> RunPlace:
    """The run that a manifest, or the folder it lies in, belongs to.

    Raises `RunError` when the file does not lie in the run folder of a store: its plan and its results are
    found from there.
    """
    path = manifest / MANIFEST if manifest.is_dir() else manifest
    if not path.is_file():
        raise RunError(f"there is no manifest at {manifest}", hint="`fusec runs` lists the runs of a store")
    folder = path.resolve().parent
    store = folder.parent.parent
    if folder.parent.name != "runs" or not (store / "objects").is_dir():
        raise RunError(
            f"{manifest} does not lie in the run folder of a store",
            hint="name the manifest in `.fusec/runs/RUN/`, its plan and results are beside it",
        )
    return RunPlace(path, folder, store, store.parent)
