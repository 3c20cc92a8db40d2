"""lower: a checked spec as a graph, with inputs in canonical order."""

from __future__ import annotations

from collections.abc import Iterable

from fusec.compiler.identity import node_id
from fusec.compiler.ir import Goal, Graph, Keep, Node, Ref, verify
from fusec.compiler.irsteps import lower_slots
from fusec.compiler.step import full_name, grade_of, packages_of
from fusec.compiler.typed import Typed


def lower(typed: Typed, only: Iterable[Ref] = ()) -> Graph:
    """The graph of a spec without errors; `only` replaces its goals by these results.

    Steps whose result does not depend on the order of an input get it sorted by identity, so that two
    ways to write one merge are one node.
    """
    nodes: dict[str, Node] = {}
    ids: dict[str, str] = {}
    for name, typed_step in typed.steps.items():
        step = typed_step.step.order(ids)
        node = Node(
            name=name,
            verb=full_name(step),
            revision=step.revision,
            grade=grade_of(step),
            slots=lower_slots(step),
            type=typed_step.type,
            origin=str(typed_step.at),
            packages=packages_of(step),
        )
        nodes[name] = node
        ids[name] = node_id(node, ids)
    kept = tuple(Keep(ref) for ref in only)
    goals: tuple[Goal, ...] = kept or typed.goals
    graph = Graph(nodes, goals)
    verify(graph)
    return graph
