"""Compute only what is missing: a result that the store holds is read, and nobody asks for its ancestors.

Stored nodes stay in the graph, so that a plan and its manifest tell the whole story whatever the store
held; what changes is which of them are work. Declines nothing: equal identity means equal bytes. A data
source that a pass over rows scans is no work of its own.
"""

from __future__ import annotations

from collections.abc import Container, Mapping

from fusec.compiler.ir import Graph, goal_refs
from fusec.compiler.rowpass import scanned


def missing(
    graph: Graph, ids: Mapping[str, str], stored: Container[str], *, everything: bool = False
) -> set[str]:
    """The nodes to compute: those not stored that a goal, or another missing node, asks for.

    With `everything` every node is asked for, whether a goal needs it or not.
    """
    found: set[str] = set()
    left = scanned(graph)
    wanted = [ref.node for goal in graph.goals for ref in goal_refs(goal)]
    pending = list(graph.nodes) if everything else wanted
    while pending:
        name = pending.pop()
        if name not in found and name not in left and ids[name] not in stored:
            found.add(name)
            pending.extend(ref.node for ref in graph.nodes[name].inputs)
    return found
