"""What differs between two plans, in words: the steps whose own slots changed, then those that follow."""

from __future__ import annotations

from fusec.compiler.identity import OUTSIDE, graph_ids
from fusec.compiler.ir import Goal, Graph, Node
from fusec.compiler.irtext import write_ir
from fusec.compiler.irvalues import write_value
from fusec.compiler.plan import Plan


def differences(saved: Plan, now: Plan) -> list[str]:
    """Empty when both plans make the same results; states and prices are not compared, nor are names."""
    if saved.id == now.id:
        return []
    before, after = saved.graph(), now.graph()
    old, new = graph_ids(before), graph_ids(after)
    known, current = set(old.values()), set(new.values())
    lines, follow = [], []
    for name, node in after.nodes.items():
        if new[name] in known:
            continue
        if name not in before.nodes:
            lines.append(f"+ {name}: {node.verb}")
            continue
        own = _own_changes(before.nodes[name], node)
        lines += [f"~ {name}: {change}" for change in own]
        if not own:
            follow.append(name)
    lines += [
        f"- {name}: {node.verb}"
        for name, node in before.nodes.items()
        if name not in after.nodes and old[name] not in current
    ]
    lines += _goal_changes(before, after)
    if follow:
        lines.append(f"  follows: {', '.join(follow)}")
    return lines


def _own_changes(before: Node, after: Node) -> list[str]:
    """Changes of a node's own slots; inputs are compared by name."""
    if (before.verb, before.revision) != (after.verb, after.revision):
        return [f"{before.verb} r{before.revision} -> {after.verb} r{after.revision}"]
    old, new = dict(before.slots), dict(after.slots)
    return [
        f"{slot}: {_text(old.get(slot))} -> {_text(new.get(slot))}"
        for slot in (*old, *(slot for slot in new if slot not in old))
        if slot not in OUTSIDE and old.get(slot) != new.get(slot)
    ]


def _goal_changes(before: Graph, after: Graph) -> list[str]:
    old, new = _goals(before), _goals(after)
    gone = [f"- {goal}" for goal in old if goal not in new]
    return gone + [f"+ {goal}" for goal in new if goal not in old]


def _goals(graph: Graph) -> list[str]:
    """The goals as IR text without the places they were written at."""
    return [_goal(goal) for goal in graph.goals]


def _goal(goal: Goal) -> str:
    (line,) = write_ir(Graph({}, (goal,))).splitlines()[1:]
    return line.rsplit(" @ ", 1)[0]


def _text(value: object) -> str:
    text = "none" if value is None else write_value(value)
    return text if len(text) <= 40 else f"{text[:38]}.."
