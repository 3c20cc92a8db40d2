"""Make equal results one node: two steps with one identity are computed once.

The first node in the graph stays, whatever the names; declines nothing, since equal identity means equal
bytes by definition.
"""

from __future__ import annotations

import msgspec

from fusec.compiler.identity import graph_ids
from fusec.compiler.ir import Check, Graph, Node, Ref, map_refs


def cse(graph: Graph) -> Graph:
    ids = graph_ids(graph)
    first: dict[str, str] = {}
    kept = {name: first.setdefault(ids[name], name) for name in graph.nodes}

    def same(ref: Ref) -> Ref:
        return Ref(kept[ref.node], ref.key)

    nodes: dict[str, Node] = {}
    for name, node in graph.nodes.items():
        if kept[name] == name:
            slots = tuple((slot, map_refs(value, same)) for slot, value in node.slots)
            nodes[name] = msgspec.structs.replace(node, slots=slots)
    goals = tuple(
        msgspec.structs.replace(goal, condition=map_refs(goal.condition, same))
        if isinstance(goal, Check)
        else msgspec.structs.replace(goal, of=same(goal.of))
        for goal in graph.goals
    )
    return graph.replace(nodes, goals)
