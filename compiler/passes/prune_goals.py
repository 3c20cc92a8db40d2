"""Drop what no goal needs: outputs, checks and results asked for by name keep their ancestors."""

from __future__ import annotations

from fusec.compiler.ir import Graph, goal_refs


def prune_goals(graph: Graph) -> Graph:
    needed: set[str] = set()
    pending = [ref.node for goal in graph.goals for ref in goal_refs(goal)]
    while pending:
        name = pending.pop()
        if name not in needed:
            needed.add(name)
            pending.extend(ref.node for ref in graph.nodes[name].inputs)
    return graph.replace({name: node for name, node in graph.nodes.items() if name in needed})
