"""The rows of a plan: a step each, or a family whose members are alike."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from fusec.cli.amounts import count_text, size_text
from fusec.compiler.addresses import without_keys
from fusec.compiler.cost import total
from fusec.compiler.ir import Call, Graph, Node
from fusec.compiler.plan import Plan, Task
from fusec.compiler.reads.limits import has_budget
from fusec.compiler.rowpass import steps_of
from fusec.lang.units import quantity_text

_MEMBER = re.compile(r"(?P<head>[^\[]*)\[(?P<key>[^\]]*)\](?P<tail>.*)")

FUSED: Final = "fused"
"""The state of a step that is done in one pass with the steps behind it, and leaves no result."""


class Fused(NamedTuple):
    """A step, or a family of them, that a row does on its way; names as those of a `Row`."""

    node: str
    family: str
    keys: str
    verb: str


class Row(NamedTuple):
    """`node` is the name with all `keys`, `family` without any; `verb` has the method behind it.

    A row of one step has no keys: they are part of its name. `fused` are the named steps that it does on its
    way, in one pass over rows: they have no result and no price of their own.
    """

    node: str
    family: str
    keys: str
    tasks: tuple[Task, ...]
    verb: str
    note: str
    fused: tuple[Fused, ...] = ()

    @property
    def state(self) -> str:
        return self.tasks[0].state


def rows(plan: Plan, graph: Graph) -> list[Row]:
    """Nodes in the order of the plan; members of a family that share verb, state and grade are one row."""
    families: dict[tuple[str, str], list[Task]] = {}
    for task in plan.tasks:
        families.setdefault(_family(task.name)[:2], []).append(task)
    found = []
    for tasks in families.values():
        alike = {(_work(graph.nodes[task.name]), task.state, task.grade) for task in tasks}
        if len(tasks) > 1 and len(alike) == 1:
            found.append(_row(tuple(tasks), graph))
        else:
            found += single_rows(tasks, graph)
    return found


def single_rows(tasks: Iterable[Task], graph: Graph) -> list[Row]:
    """A row for each task."""
    return [_row((task,), graph) for task in tasks]


def price_text(plan: Plan, tasks: Iterable[Task]) -> str:
    """What the tasks cost together; `-` unless the price of each that runs is known."""
    prices = [task.money for task in tasks if task.state == "new"]
    known = [price.likely for price in prices if price is not None]
    if plan.target is None or not known or len(known) < len(prices):
        return "-"
    return quantity_text(sum(known), "Money", plan.target.currency)


def _row(tasks: tuple[Task, ...], graph: Graph) -> Row:
    node = graph.nodes[tasks[0].name]
    steps = list(zip(*(steps_of(graph.nodes[task.name]) for task in tasks), strict=True))
    methods = [value.name for _, value in node.slots if isinstance(value, Call)]
    verbs = ", ".join(step.verb for step, *_ in steps)
    verb = " ".join((verbs, *methods[:1]))
    note = _note(tasks, node, f"in one pass: {verb}" if len(steps) > 1 else verb)
    fused = tuple(
        Fused(*_named([step.name for step in members]), members[0].verb)
        for members in steps[:-1]
        if "/" not in without_keys(members[0].name)  # so are those called that the spec gives no name
    )
    return Row(*_named([task.name for task in tasks]), tasks, verb, note, fused)


def _named(names: Sequence[str]) -> tuple[str, str, str]:
    """What stands for steps of one family: the name with all keys, the name without any, the keys."""
    if len(names) == 1:
        return names[0], names[0], ""
    head, tail, _ = _family(names[0])
    keys = " ".join(_family(name)[2] for name in names)
    return f"{head}[{keys}]{tail}", f"{head}{tail}", keys


def _family(name: str) -> tuple[str, str, str]:
    """A name as what stands before its key, what stands behind it, and the key."""
    member = _MEMBER.fullmatch(name)
    return (member["head"], member["tail"], member["key"]) if member else (name, "", "")


def _work(node: Node) -> tuple[tuple[str, str, str], ...]:
    """The verbs of the steps that a node does, each with the family of its result."""
    return tuple((*_family(step.name)[:2], step.verb) for step in steps_of(node))


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
