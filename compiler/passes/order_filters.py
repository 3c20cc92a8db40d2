"""Do that filter first which drops most rows for its work: by (1 - share that stays) / work per row.

Fires for neighbouring filters of one pass. The plan goes by guesses for each operator, because it reads no
row; the run then takes 256 of its first rows, chosen by a hash, and goes by what stays of these. Declines for
filters that can fail on a row for more than a missing value, and for filters that a `derive` lies between:
they meet where `push_filters` may bring them together. Equal filters stay in the order that was written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fusec.compiler.identity import PASS
from fusec.compiler.ir import Call, Graph, Node
from fusec.compiler.rowcost import guess, work
from fusec.compiler.rowpass import Columns, condition, input_columns, may_pass, pass_node

SAMPLE = 256


def order_filters(graph: Graph) -> Graph:
    return graph.replace({name: _ordered(graph, node) for name, node in graph.nodes.items()})


def by_worth(
    steps: Sequence[Call], order: Sequence[int], columns: Columns, stays: Callable[[int], float]
) -> tuple[int, ...]:
    """`order` with neighbouring filters by worth; `stays` is the share that a step keeps."""

    def worth(i: int) -> float:
        return (1 - stays(i)) / (1 + work(condition(steps[i])))

    new = list(order)
    for start in range(1, len(new)):
        at = start
        while at and _neighbours(steps, new, at, columns) and worth(new[at]) > worth(new[at - 1]):
            new[at - 1], new[at] = new[at], new[at - 1]
            at -= 1
    return tuple(new)


def _ordered(graph: Graph, node: Node) -> Node:
    if node.verb != PASS:
        return node
    steps, order = node.slot("steps"), node.slot("sequence")
    columns = input_columns(graph, node.slot("data"))
    if not any(_neighbours(steps, order, at, columns) for at in range(1, len(order))):
        return node
    new = by_worth(steps, order, columns, lambda i: guess(condition(steps[i])))
    return pass_node(node, sequence=new, sample=SAMPLE)


def _neighbours(steps: Sequence[Call], order: Sequence[int], at: int, columns: Columns) -> bool:
    """Whether two filters that may change places meet in front of place `at`."""
    return steps[order[at - 1]].name == "filter" and may_pass(steps, order, at, columns)
