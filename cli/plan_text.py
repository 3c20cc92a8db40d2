"""A plan as people read it: one line per node, then budget, passes, rates and identity."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from fusec.cli.accounts import accounts_of_plan
from fusec.cli.amounts import count_text, size_text, time_text
from fusec.cli.columns import columns, shortened
from fusec.cli.reads_text import details_text, planned_text
from fusec.compiler.cost import Range, total
from fusec.compiler.ir import Call, Check, Graph, Node, Output
from fusec.compiler.plan import Plan, PlannedLimit, Task
from fusec.compiler.reads.limits import has_budget
from fusec.lang.units import quantity_text

HEADS = ("node", "state", "reads", "time", "price", "grade", "note")
NODE_WIDTH, NOTE_WIDTH = 28, 12
_MEMBER = re.compile(r"(?P<head>[^\[]*)\[(?P<key>[^\]]*)\](?P<tail>.*)")


class Row(NamedTuple):
    """One line of the table: a node, or a family whose members are alike."""

    node: str
    tasks: tuple[Task, ...]
    note: str


def plan_text(plan: Plan, *, width: int, verbose: bool = False) -> str:
    """The whole plan; notes are cut at `width` columns unless `verbose` asks for everything."""
    graph = plan.graph()
    blocks = [_table(plan, graph, width, verbose), planned_text(plan, width), _footer(plan, graph)]
    if verbose:
        blocks += [*details_text(accounts_of_plan(plan)), _details(plan)]
    return "\n\n".join(block for block in blocks if block)


def price_text(plan: Plan, tasks: Iterable[Task]) -> str:
    """What the tasks cost together; `-` unless the price of each that runs is known."""
    prices = [task.money for task in tasks if task.state == "new"]
    known = [price.likely for price in prices if price is not None]
    if plan.target is None or not known or len(known) < len(prices):
        return "-"
    return quantity_text(sum(known), "Money", plan.target.currency)


# --- the table ----------------------------------------------------------------------------


def rows(plan: Plan, graph: Graph) -> list[Row]:
    """Nodes in the order of the plan; members of a family that share verb, state and grade are one row."""
    families: dict[tuple[str, str], list[tuple[str, Task]]] = {}
    for task in plan.tasks:
        member = _MEMBER.fullmatch(task.name)
        family = (member["head"], member["tail"]) if member else (task.name, "")
        families.setdefault(family, []).append((member["key"] if member else "", task))
    found = []
    for (head, tail), members in families.items():
        tasks = tuple(task for _, task in members)
        alike = len({(task.verb, task.state, task.grade) for task in tasks}) == 1
        if len(tasks) > 1 and alike:
            keys = " ".join(key for key, _ in members)
            found.append(Row(f"{head}[{keys}]{tail}", tasks, _note(tasks, graph.nodes[tasks[0].name])))
        else:
            found += [Row(task.name, (task,), _note((task,), graph.nodes[task.name])) for task in tasks]
    return found


def _note(tasks: tuple[Task, ...], node: Node) -> str:
    if node.verb.startswith("source."):
        uris = node.slot("uri")
        return str(uris) if len(tasks) == 1 else f"{uris} and {len(tasks) - 1} more"
    method = next((value.name for _, value in node.slots if isinstance(value, Call)), "")
    cost = total(task.cost for task in tasks)
    words = [f"{node.verb} {method}".strip()]
    if cost.expert_reads.likely and not has_budget(node):  # under a budget a line of its own says more
        words.append(f"{size_text(cost.expert_reads.likely)} of experts")
    elif cost.tokens.likely:
        words.append(f"{count_text(cost.tokens.likely)} tokens")
    return ", ".join(words)


def _table(plan: Plan, graph: Graph, width: int, verbose: bool) -> str:
    lines = [HEADS]
    for row in rows(plan, graph):
        first = row.tasks[0]
        name = row.node if verbose else shortened(row.node, NODE_WIDTH)
        reads = sum(task.cost.reads.likely for task in row.tasks)
        seconds = sum(task.seconds.likely for task in row.tasks)
        new = first.state == "new"
        lines.append(
            (
                name,
                first.state,
                size_text(reads) if new and reads else "-",
                time_text(seconds) if new else "-",
                price_text(plan, row.tasks),
                first.grade,
                row.note,
            )
        )
    for goal in graph.goals:
        if isinstance(goal, Output):
            lines.append(("output", "", "-", "-", "-", plan.grade, f"{str(goal.of)[1:]} -> {goal.to}"))
    if not verbose:
        used = 2 + sum(max(len(line[at]) for line in lines) + 2 for at in range(6))
        room = max(width - used, NOTE_WIDTH)
        lines = [(*line[:6], shortened(line[6], room)) for line in lines]
    return columns(lines, right=(2, 3, 4))


# --- below the table ----------------------------------------------------------------------


def _footer(plan: Plan, graph: Graph) -> str:
    new = [task for task in plan.tasks if task.state == "new"]
    seconds = plan.wall
    reads = sum(task.cost.reads.likely for task in new)
    time = f"{time_text(seconds.likely)} ({time_text(seconds.low)} .. {time_text(seconds.high)})"
    price = price_text(plan, new)
    if price != "-":
        time += f", {price}"
    lines = [
        ("total", f"{len(new)} to compute, {size_text(reads)} read, {time}" if new else "nothing to compute")
    ]
    checks = sum(isinstance(goal, Check) for goal in graph.goals)
    if checks:
        lines.append(("checks", f"{checks}, outputs wait for them"))
    lines += [("scan", _scan(names)) for names in plan.scans]
    lines += [("budget", _limit(limit)) for limit in plan.limits]
    lines.append(("passes", ", ".join(map(str, plan.passes))))
    loose = [source for source in plan.sources if not source.facts.pinned_by_content]
    if loose:
        count = f"{len(loose)} of {len(plan.sources)} not pinned by content"
        lines.append(("sources", f"{count}; `fusec lock {plan.spec}` pins them"))
    if plan.packages:
        lines.append(("packages", ", ".join(pin.short for pin in plan.packages)))
    lines.append(("rates", plan.rates))
    lines.append(("plan", plan.id[:8]))
    return columns(lines)


def _scan(names: tuple[str, ...]) -> str:
    first = shortened(names[0], NODE_WIDTH)
    return f"{first} and {len(names) - 1} more read their experts together, at its cost"


def _limit(limit: PlannedLimit) -> str:
    text = f"{limit.name} {limit.text(limit.planned)} of {limit.text(limit.limit)}"
    if limit.planned > limit.limit:
        return f"{text}   exceeded"
    return f"{text}   tight" if limit.tight else text


def _details(plan: Plan) -> str:
    """Identity and ranges of every node, and what every pass did."""
    nodes: list[tuple[str, ...]] = [("node", "id", "reads", "time", "memory")]
    for task in plan.tasks:
        if task.state == "new":
            ranges = (task.cost.reads, size_text), (task.seconds, time_text), (task.cost.memory, size_text)
            nodes.append((task.name, task.id[:12], *(_spread(found, text) for found, text in ranges)))
        else:
            nodes.append((task.name, task.id[:12], "-", "-", "-"))
    passes = [("pass", "nodes before", "after")]
    passes += [(trace.name, str(trace.before), str(trace.after)) for trace in plan.passes]
    return "\n\n".join((columns(nodes), columns(passes, right=(1, 2)), f"  plan id {plan.id}"))


def _spread(found: Range, text: object) -> str:
    assert callable(text)
    if found.low == found.high:
        return str(text(found.likely))
    return f"{text(found.low)} .. {text(found.likely)} .. {text(found.high)}"
