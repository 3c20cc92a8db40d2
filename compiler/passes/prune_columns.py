"""Read only the columns that somebody uses.

Fires for row-local steps with a `select` among them, which says what is left: their input is read without the
columns that no step mentions, from Parquet files and from stored rows alike. Declines where the result has
every column of the input, and where every column is used. Steps of other kinds keep all columns: what they
store is what they are.
"""

from __future__ import annotations

from fusec.compiler.identity import PASS
from fusec.compiler.ir import Graph, Node
from fusec.compiler.rowpass import ROW_LOCAL, as_pass, columns_needed, input_columns, pass_node


def prune_columns(graph: Graph) -> Graph:
    return graph.replace({name: _pruned(graph, node) for name, node in graph.nodes.items()})


def _pruned(graph: Graph, node: Node) -> Node:
    if node.verb not in (*ROW_LOCAL, PASS):
        return node
    only = as_pass(node)
    has, needed = input_columns(graph, only.slot("data")), columns_needed(only.slot("steps"))
    if needed is None or not has:
        return node
    # A batch without a column would not know how many rows it has.
    columns = tuple(name for name in has if name in needed) or tuple(has)[:1]
    return pass_node(only, columns=columns) if len(columns) < len(has) else node
