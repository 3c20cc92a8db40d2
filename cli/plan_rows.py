"""The rows of a plan: a step each, or a family whose members are alike."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from fusec.cli.amounts import count_text, size_text
from fusec.compiler.cost import total
from fusec.compiler.ir import Call, Graph, Node
from fusec.compiler.plan import Plan, Task
from fusec.compiler.reads.limits import has_budget
from fusec.lang.units import quantity_text

_MEMBER = re.compile(r"(?P<head>[^\[]*)\[(?P<key>[^\]]*)\](?P<tail>.*)")


class Row(NamedTuple):
    """`node` is the name with all `keys`, `family` without any; `verb` has the method behind it.

    A row of one step has no keys: they are part of its name.
    """

    node: str
    family: str
    keys: str
    tasks: tuple[Task, ...]
    verb: str
    note: str

    @property
    def state(self) -> str:
        return self.tasks[0].state


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
            found.append(_row(f"{head}[{keys}]{tail}", f"{head}{tail}", keys, tasks, graph))
        else:
            found += single_rows(tasks, graph)
    return found


def single_rows(tasks: Iterable[Task], graph: Graph) -> list[Row]:
    """A row for each task."""
    return [_row(task.name, task.name, "", (task,), graph) for task in tasks]


def price_text(plan: Plan, tasks: Iterable[Task]) -> str:
    """What the tasks cost together; `-` unless the price of each that runs is known."""
    prices = [task.money for task in tasks if task.state == "new"]
    known = [price.likely for price in prices if price is not None]
    if plan.target is None or not known or len(known) < len(prices):
        return "-"
    return quantity_text(sum(known), "Money", plan.target.currency)


def _row(name: str, family: str, keys: str, tasks: tuple[Task, ...], graph: Graph) -> Row:
    node = graph.nodes[tasks[0].name]
    method = next((value.name for _, value in node.slots if isinstance(value, Call)), "")
    verb = f"{node.verb} {method}".strip()
    return Row(name, family, keys, tasks, verb, _note(tasks, node, verb))


def _note(tasks: tuple[Task, ...], node: Node, verb: str) -> str:
    if node.verb.startswith("source."):
        uris = node.slot("uri")
        return str(uris) if len(tasks) == 1 else f"{uris} and {len(tasks) - 1} more"
    cost = total(task.cost for task in tasks)
    words = [verb]
    if cost.expert_reads.likely and not has_budget(node):  # under a budget a line of its own says more
        words.append(f"{size_text(cost.expert_reads.likely)} of experts")
    elif cost.tokens.likely:
        words.append(f"{count_text(cost.tokens.likely)} tokens")
    return ", ".join(words)
