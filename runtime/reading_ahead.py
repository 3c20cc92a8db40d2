"""A planner for the reads of merges before anything has run: local sources, and what the store holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fusec.compiler.facts import SourceRequest
from fusec.compiler.identity import graph_ids
from fusec.compiler.ir import Graph, Node, Ref
from fusec.compiler.reads.limits import has_budget
from fusec.compiler.reads.planned import Planner, UnknownBlocks
from fusec.compiler.typed import Typed
from fusec.lang.types import DeltaType
from fusec.runtime.analysis.columns_store import ColumnsStore
from fusec.runtime.catalog import Catalog
from fusec.runtime.kernel import Artifact, Kind
from fusec.runtime.reading import Ladders, Place, ReadPlans, merging, placed, unknown
from fusec.runtime.sources.locate import is_remote, locate


def planner_before_the_run(
    typed: Typed,
    graph: Graph,
    base: Path,
    store: Path,
    ladders: Ladders,
    folders: dict[SourceRequest, Path],
    *,
    draft: bool = False,
) -> Planner:
    """A planner for what is there already: local sources, and results that the store holds.

    `ladders`, and `folders` in which sources were found, are kept for the next one; `draft` is as of
    `ReadPlans`.
    """
    ids = graph_ids(graph)

    def place(ref: Ref) -> Artifact | None:
        id = f"{ids[ref.node]}-{ref.key}" if ref.key else ids[ref.node]
        node = graph.nodes[ref.node]
        kind: Kind = "delta" if isinstance(node.type, DeltaType) else "model"
        request = typed.sources.get(ref.node)
        if request is not None:
            if is_remote(request):
                return None
            if request not in folders:
                folders[request] = locate(request, base=base).root
            return Artifact(kind, folders[request], id)
        path = store / "objects" / kind / ids[ref.node]
        return Artifact(kind, path / ref.key, id) if path.is_dir() else None

    if not (store / "catalog.db").is_file():
        return NothingKnown(place)
    return ReadPlans(ColumnsStore(Catalog(store / "catalog.db")), place, ladders, draft=draft)


class NothingKnown:
    """The planner of a store without a catalog."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def plan(self, node: Node) -> UnknownBlocks | None:
        merge = merging(node, self._place) if has_budget(node) else None
        return None if merge is None or merge.analysis == "sampled" else unknown(merge)

    def divide(self, nodes: Sequence[Node], budget: int) -> UnknownBlocks | None:
        merges = placed(nodes, self._place)
        return unknown(*merges) if merges else None
