"""What differs between two plans, in words: the steps whose own slots changed, then those that follow."""

from __future__ import annotations

from fusec.cli.changes import Change, changes_of, version_of
from fusec.cli.columns import shortened
from fusec.compiler.ir import Goal, Graph
from fusec.compiler.irtext import write_ir
from fusec.compiler.plan import Plan

TEXT_WIDTH = 40
DIGITS = 12


def differences(saved: Plan, now: Plan) -> list[str]:
    """Empty when both plans make the same results; states and prices are not compared, nor are names."""
    if saved.id == now.id:
        return []
    was, is_now = version_of(saved.graph()), version_of(now.graph())
    (before, old), (after, new) = was, is_now
    known, current = set(old.values()), set(new.values())
    lines, follow = [], []
    for name, node in after.nodes.items():
        if new[name] in known:
            continue
        if name not in before.nodes:
            lines.append(f"+ {name}: {node.verb}")
            continue
        own = changes_of(was, is_now, name)
        lines += [f"~ {name}: {_text(change)}" for change in own]
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


def _text(change: Change) -> str:
    """`lr: 1e-05 -> 2e-05`, `experts: + law`, `content: 3f2a1b9c0d4e -> 77aa01b2c3d4`."""
    if change.what == "content":
        return f"content: {change.was[:DIGITS]} -> {change.now[:DIGITS]}"
    what = change.slot or change.what
    if change.what == "inputs" and not (change.was and change.now):
        return f"{what}: {'+' if change.now else '-'} {change.now or change.was}"
    return f"{what}: {shortened(change.was, TEXT_WIDTH)} -> {shortened(change.now, TEXT_WIDTH)}"
