"""What a stored merge read when it was made: the manifest of the run that made it says so."""

from __future__ import annotations

from fusec.compiler.reads.planned import PlannedReads
from fusec.runtime.manifest import load_manifest
from fusec.runtime.runs import MANIFEST
from fusec.runtime.store import Store


def earlier_reads(store: Store, id: str) -> PlannedReads | None:
    """The reads behind the result `id`; None where its run left no manifest, or read everything."""
    row = store.catalog.object(id)
    if row is None or row.run is None:
        return None
    path = store.run_folder(row.run) / MANIFEST
    if not path.is_file():
        return None
    return next((node.reads for node in load_manifest(path).nodes if node.id == id), None)
