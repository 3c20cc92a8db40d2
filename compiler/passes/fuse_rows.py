"""Do neighbouring row-local steps in one pass over the rows, and read Parquet where it lies.

Fires for `filter`, `select` and `derive` whose input is another of them, and for one of them over a Parquet
source: what lies between is streamed from step to step and nothing keeps it. The result keeps its identity.
Declines where somebody else needs what lies between (another step, an output, a check, `--only`), where the
store has it, and where all results are asked for; for sources of other kinds, whose rows are worth keeping
once they are parsed; behind steps that take long per row (`tokens`, `parses`, `matches`, `language`), for the
same reason; and for steps of other kinds, which need all rows at once.
"""

from __future__ import annotations

import msgspec

from fusec.compiler.identity import PASS, graph_ids
from fusec.compiler.ir import Call, Node
from fusec.compiler.passes.outline import Known, Outline
from fusec.compiler.rowexpr import Expr, Op
from fusec.compiler.rowpass import ROW_LOCAL, as_pass, expressions, pass_node, users

SLOW = frozenset(("tokens", "parses", "matches", "language"))


def fuse_rows(outline: Outline, known: Known) -> Outline:
    if known.everything:
        return outline
    graph = outline.graph
    uses, ids = users(graph), graph_ids(graph)
    nodes: dict[str, Node] = {}
    for name, node in graph.nodes.items():
        nodes[name] = node
        if node.verb not in (*ROW_LOCAL, PASS):
            continue
        data = node.slot("data")
        before = nodes[data.node]
        if uses[data.node] != [name] or ids[data.node] in known.stored:
            continue
        if _is_parquet(before):
            nodes[name] = pass_node(as_pass(node), scan=True)
        elif before.verb in (*ROW_LOCAL, PASS) and not _is_slow(before):
            nodes[name] = _joined(as_pass(before), as_pass(node))
            del nodes[data.node]
    return msgspec.structs.replace(outline, graph=graph.replace(nodes))


def _is_parquet(node: Node) -> bool:
    return node.verb == "source.data" and str(dict(node.slots).get("uri", "")).endswith(".parquet")


def _joined(first: Node, second: Node) -> Node:
    steps = (*first.slot("steps"), *second.slot("steps"))
    return pass_node(
        second,
        data=first.slot("data"),
        scan=first.slot("scan"),
        sequence=tuple(range(len(steps))),
        names=(*first.slot("names"), *second.slot("names")),
        steps=steps,
    )


def _is_slow(node: Node) -> bool:
    steps: tuple[Call, ...] = as_pass(node).slot("steps")
    return any(_calls(expr) & SLOW for step in steps for _, expr in expressions(step))


def _calls(expr: Expr) -> frozenset[str]:
    if not isinstance(expr, Op):
        return frozenset()
    return frozenset((expr.name,)).union(*map(_calls, expr.args))
