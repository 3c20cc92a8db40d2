"""Let merges of one base and the same experts read together: one scan, several models.

Fires for a sweep over weights, scales or methods, where two or more merges are to be computed: what they read
while they write is read once, for the first of them. Changes no node, only which tasks are done at once.
Declines for merges under a budget, which read by a plan of their own; for methods that need more of a tensor
than a range at a time; for adapters, of which little is read; and on clusters, where merges run side by side.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from fusec.compiler.ir import Graph, Node, Ref
from fusec.compiler.irsteps import raise_step
from fusec.compiler.methods.merge import Passes
from fusec.compiler.passes.outline import Scans
from fusec.compiler.reads.limits import has_budget
from fusec.compiler.steps.merge import Merge
from fusec.lang.types import DeltaType, Type


def share_scans(graph: Graph, types: Mapping[Ref, Type], todo: Collection[str]) -> Scans:
    """Which of the nodes `todo` read together. Their inputs are the same, so all can start when one can."""
    found: dict[object, list[str]] = {}
    for name, node in graph.nodes.items():
        if name in todo and (merge := _of_ranges(node, types)):
            experts = frozenset(expert.input.ref for expert in merge.experts)
            found.setdefault((merge.base.ref, experts, merge.keep), []).append(name)
    return tuple(tuple(names) for names in found.values() if len(names) > 1)


def read_by_others(graph: Graph, types: Mapping[Ref, Type], scans: Scans) -> dict[str, Passes]:
    """How often base and experts are read for a merge by those before it in its scan."""
    found = {}
    for names in scans:
        base = 0
        for place, name in enumerate(names):
            merge = raise_step(graph.nodes[name], dict(types))
            assert isinstance(merge, Merge)
            if place:
                found[name] = Passes(base, 1)
            base |= merge.reads_base
    return found


def _of_ranges(node: Node, types: Mapping[Ref, Type]) -> Merge | None:
    """A merge that can go along with others."""
    if node.verb != "merge" or node.packages or has_budget(node):
        return None
    merge = raise_step(node, dict(types))
    assert isinstance(merge, Merge)
    refs = [expert.input.ref for expert in merge.experts]
    kinds = (expert.input.type for expert in merge.experts)
    adapters = any(isinstance(kind, DeltaType) and kind.rank > 0 for kind in kinds)
    alone = len(set(refs)) < len(refs) or set(node.inputs) != {merge.base.ref, *refs}
    by_range = all(method.by_range for method in merge.methods)
    return None if adapters or alone or not by_range else merge
