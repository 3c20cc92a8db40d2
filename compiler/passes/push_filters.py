"""Do filters before the steps that were written before them, as near to the scan as they can go.

Fires for a filter behind a `select` or `derive` of the same pass that copies or does not touch what it asks
for: rows that go are not worked on, and a scan can leave out row groups that hold none that stay. Declines
where the filter asks for a column that the step computes; where either can fail on a row for more than a
missing value (arithmetic, an index, a fraction against whole numbers), because the error would come or go
with it; and at the border of a pass.
"""

from __future__ import annotations

from fusec.compiler.identity import PASS
from fusec.compiler.ir import Graph, Node
from fusec.compiler.rowpass import input_columns, may_pass, pass_node


def push_filters(graph: Graph) -> Graph:
    return graph.replace({name: _pushed(graph, node) for name, node in graph.nodes.items()})


def _pushed(graph: Graph, node: Node) -> Node:
    if node.verb != PASS:
        return node
    steps, order = node.slot("steps"), list(node.slot("sequence"))
    columns = input_columns(graph, node.slot("data"))
    for start in range(1, len(order)):
        at = start
        while at and steps[order[at - 1]].name != "filter" and may_pass(steps, order, at, columns):
            order[at - 1], order[at] = order[at], order[at - 1]
            at -= 1
    return pass_node(node, sequence=tuple(order)) if order != list(node.slot("sequence")) else node
