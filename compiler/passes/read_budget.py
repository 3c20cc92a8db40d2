"""Divide one budget of expert reads among merges, so that a further byte would help each as much.

Fires where the merges that are not stored would read more than the `budget` block allows, also where those
that can read together do. Merges with a budget of their own keep it, and so do those whose method reads its
experts whole; the others get what is left. Changes results, by request: a share becomes part of what a merge
is. Declines where the catalog does not know every expert, and where nothing would be left; the plan then
exceeds its budget and says so, in the first case with the analysis that would help.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

import msgspec

from fusec.compiler.identity import graph_ids
from fusec.compiler.ir import Graph, Node, Ref
from fusec.compiler.irsteps import raise_step
from fusec.compiler.passes.reuse import missing
from fusec.compiler.passes.share_scans import read_by_others, share_scans
from fusec.compiler.reads.limits import has_budget
from fusec.compiler.reads.planned import PlannedReads, Planner, UnknownBlocks
from fusec.compiler.step import Step
from fusec.compiler.steps.merge import Merge
from fusec.lang.types import Type


def read_budget(
    graph: Graph,
    types: Mapping[Ref, Type],
    limit: int,
    planner: Planner,
    stored: Container[str],
    *,
    written: Mapping[str, Step],
    sharing: bool = True,
) -> tuple[Graph, UnknownBlocks | None]:
    """The graph with shares, or as it is, with what keeps the budget from being divided.

    `written` are the steps as the spec has them, by name: what a merge says of `block` and `analysis`, which
    a merge without a budget has no use for, counts again once it has a share.
    """
    todo = missing(graph, graph_ids(graph), stored)
    # What is stored reads nothing and stays what it is, and so does all that is made from it.
    merges = {
        name: _merge(node, types)
        for name, node in graph.nodes.items()
        if node.verb == "merge" and name in todo
    }
    needs = {name: _need(graph.nodes[name], merge, planner) for name, merge in merges.items()}
    # Merges that read together need the bytes of one, until they get budgets of their own.
    others = read_by_others(graph, types, share_scans(graph, types, todo)) if sharing else {}
    together = sum(
        merges[name].cost_beside(graph.nodes[name].type, others[name]).expert_reads.likely
        if name in others
        else need
        for name, need in needs.items()
    )
    if together <= limit:
        return graph, None
    open_to_less = [
        name
        for name, merge in merges.items()
        if all(method.budget == "additive" for method in merge.methods) and not has_budget(graph.nodes[name])
    ]
    left = limit - sum(need for name, need in needs.items() if name not in open_to_less)
    asked = {name: _as_written(graph.nodes[name], written.get(name)) for name in open_to_less}
    shares = planner.divide(list(asked.values()), left) if left >= 0 else None
    if shares is None or isinstance(shares, UnknownBlocks):
        return graph, shares
    given = dict(zip(open_to_less, shares, strict=True))
    nodes = {
        name: _with_share(node, asked[name], given[name], needs[name]) if name in given else node
        for name, node in graph.nodes.items()
    }
    return graph.replace(nodes), None


def _merge(node: Node, types: Mapping[Ref, Type]) -> Merge:
    step = raise_step(node, dict(types))
    assert isinstance(step, Merge)
    return step


def _need(node: Node, merge: Merge, planner: Planner) -> int:
    """Bytes that a merge reads of its experts if nobody bounds it further."""
    planned = planner.plan(node) if merge.max_error is not None else None
    if isinstance(planned, PlannedReads):
        return planned.physical
    return int(merge.cost(node.type).expert_reads.likely)


def _as_written(node: Node, step: Step | None) -> Node:
    """The merge with what the spec says of its blocks."""
    if not isinstance(step, Merge):
        return node
    return _with(node, block=step.block, analysis=step.analysis)


def _with_share(node: Node, asked: Node, share: int, need: int) -> Node:
    return _with(asked, expert_reads=share) if share < need else node


def _with(node: Node, **slots: Any) -> Node:
    """The node with other values in some slots."""
    changed = tuple((name, slots.get(name, value)) for name, value in node.slots)
    return msgspec.structs.replace(node, slots=changed)
