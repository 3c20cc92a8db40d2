"""The graph of a plan as boxes and arrows: a box for each row of its table, and for what it is all for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from fusec.cli.amounts import size_text, time_text
from fusec.cli.charts.dag import Box, Kind, dag
from fusec.cli.charts.layers import Edge
from fusec.cli.charts.svg import Drawing
from fusec.cli.plan_rows import Row, price_text, rows, single_rows
from fusec.compiler.ir import Check, Graph, Output, goal_refs
from fusec.compiler.plan import Plan


def plan_graph(plan: Plan) -> Drawing:
    """The picture; families are one box where that leaves no cycle, and the critical path stands out."""
    graph = plan.graph()
    shown = _untangled(plan, graph)
    row_of = {task.name: row.node for row in shown for task in row.tasks}
    edges = dict.fromkeys(_edges(graph, row_of))
    boxes = [_box(plan, row) for row in shown]
    for box, of in _goals(graph, row_of):
        boxes.append(box)
        edges.update(dict.fromkeys((name, box.key) for name in of))
    chain = list(dict.fromkeys(row_of[name] for name in plan.critical_path))
    path = {edge for edge in pairwise(chain) if edge in edges}
    new = sum(task.state == "new" for task in plan.tasks)
    desc = f"{len(plan.tasks)} steps, {new} to compute; " + "; ".join(
        f"{box.name}: {box.note}" for box in boxes
    )
    return dag(boxes, list(edges), title=f"Graph of {plan.spec}", desc=desc, path=path)


def _untangled(plan: Plan, graph: Graph) -> list[Row]:
    """The rows of the table, those of families split where one waits for another and is waited for."""
    import networkx

    shown = rows(plan, graph)
    row_of = {task.name: row.node for row in shown for task in row.tasks}
    dag: networkx.DiGraph[str] = networkx.DiGraph(
        (row_of[ref.node], row_of[name]) for name, node in graph.nodes.items() for ref in node.inputs
    )
    tangled = {name for part in networkx.strongly_connected_components(dag) if len(part) > 1 for name in part}
    tangled |= {a for a, b in dag.edges if a == b}
    return [
        row
        for whole in shown
        for row in (single_rows(whole.tasks, graph) if whole.node in tangled else (whole,))
    ]


def _edges(graph: Graph, row_of: dict[str, str]) -> Iterator[Edge]:
    for name, node in graph.nodes.items():
        for ref in node.inputs:
            yield row_of[ref.node], row_of[name]


def _box(plan: Plan, row: Row) -> Box:
    first = row.tasks[0]
    kind: Kind = first.state
    word = row.verb
    if first.state == "new":
        seconds = sum(task.seconds.likely for task in row.tasks)
        reads = sum(task.cost.reads.likely for task in row.tasks)
        words = [row.verb, *([size_text(reads)] if reads else []), time_text(seconds)]
        price = price_text(plan, row.tasks)
        about = [*words, *([price] if price != "-" else [])]
        word = " · ".join([row.verb, time_text(seconds)])
    else:
        about = [row.verb, first.state]
    names = [step.node for step in row.fused]
    note = f"{row.note}\nthrough {', '.join(names)}" if names else row.note
    about_text = f"{row.node}\n{', '.join(about)}, {first.grade}\n{note}"
    name = row.node if len(row.tasks) == 1 else row.family
    return Box(row.node, name, word, kind, len(row.tasks), about_text)


def _goals(graph: Graph, row_of: dict[str, str]) -> Iterator[tuple[Box, Sequence[str]]]:
    """Outputs, and checks over the same results as one."""
    checks: dict[tuple[str, ...], list[Check]] = {}
    for at, goal in enumerate(graph.goals):
        of = tuple(dict.fromkeys(row_of[ref.node] for ref in goal_refs(goal)))
        if isinstance(goal, Output):
            yield Box(f"output {at}", goal.to, "output", "goal", 1, f"{str(goal.of)[1:]} -> {goal.to}"), of
        elif isinstance(goal, Check):
            checks.setdefault(of, []).append(goal)
    for of, goals in checks.items():
        about = "\n".join(goal.text for goal in goals)
        name = "check" if len(goals) == 1 else f"{len(goals)} checks"
        yield Box(f"checks {' '.join(of)}", name, goals[0].text, "goal", 1, about), of
