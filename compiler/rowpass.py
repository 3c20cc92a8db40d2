"""Several row-local steps as one node, `rows.pass`: what it holds, and which steps may change places.

Its slot `steps` says what is made, in the order that was written; identity looks at nothing else. `names` are
what the spec calls the results of these steps, the last being that of the pass. `sequence`, `columns`, `scan`
and `sample` say how the pass goes about it, and change no byte.

A filter may be done earlier than written where no step between can fail but for a missing value, and it can
say what it asks of the columns before them. The run looks at every batch: with a missing value in a column
that the moved steps use, that batch takes the order that was written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fusec.compiler.identity import PASS
from fusec.compiler.ir import Call, Graph, Node, Ref, goal_refs
from fusec.compiler.rowexpr import Col, Expr, Op, RowProblem, column_type, columns_read
from fusec.lang.column_types import ColumnType
from fusec.lang.types import DataType, MapType, Unknown

ROW_LOCAL = ("filter", "select", "derive")
Columns = Mapping[str, ColumnType]


def as_pass(node: Node) -> Node:
    """A row-local step as a pass of that one step."""
    if node.verb == PASS:
        return node
    slots = tuple(slot for slot in node.slots if slot[0] != "data")
    step = Call(node.verb, (("revision", node.revision), *slots))
    return pass_node(node, data=node.slot("data"), names=(node.name,), steps=(step,), sequence=(0,))


def pass_node(like: Node, **slots: Any) -> Node:
    """The node `like` as a pass, with these slots instead of those it has."""
    how = {"columns": None, "scan": False, "sample": 0, "sequence": ()}
    blank = {"data": None, **how, "names": (), "steps": ()}
    old = dict(like.slots) if like.verb == PASS else {}
    values = {name: slots.get(name, old.get(name, value)) for name, value in blank.items()}
    return Node(like.name, PASS, 1, like.grade, tuple(values.items()), like.type, like.origin, like.packages)


def unfused(graph: Graph) -> Graph:
    """The graph with the steps of each pass as nodes again, under the names and identities they had.

    Types and origins of results that no pass leaves behind are not kept: they are `Unknown` and empty.
    """
    nodes: dict[str, Node] = {}
    for node in graph.nodes.values():
        for step in steps_of(node):
            nodes[step.name] = step
    return graph.replace(nodes)


def steps_of(node: Node) -> tuple[Node, ...]:
    """The steps that a pass does, as they were written, each over the one before; any other node alone."""
    if node.verb != PASS:
        return (node,)
    data, found = node.slot("data"), []
    for name, step in zip(node.slot("names"), node.slot("steps"), strict=True):
        (_, revision), *slots = step.args
        rest = (node.type, node.origin) if name == node.name else (Unknown(), "")
        found.append(Node(name, step.name, revision, node.grade, (("data", data), *slots), *rest))
        data = Ref(name)
    return tuple(found)


def passed_through(graph: Graph) -> dict[str, str]:
    """What leaves no result of its own, steps and scanned sources, each with the pass it is part of."""
    found: dict[str, str] = {}
    for node in graph.nodes.values():
        if node.verb == PASS:
            source = (node.slot("data").node,) if node.slot("scan") else ()
            found |= dict.fromkeys((*source, *node.slot("names")[:-1]), node.name)
    return found


def users(graph: Graph) -> dict[str, list[str]]:
    """Who uses each node, once for every use; a goal counts as a user without a name."""
    found: dict[str, list[str]] = {name: [] for name in graph.nodes}
    for node in graph.nodes.values():
        for ref in node.inputs:
            found[ref.node].append(node.name)
    for goal in graph.goals:
        for ref in goal_refs(goal):
            found[ref.node].append("")
    return found


def scanned(graph: Graph) -> frozenset[str]:
    """The data sources that passes read from their files, so that nothing keeps them as rows."""
    passes = (node for node in graph.nodes.values() if node.verb == PASS and node.slot("scan"))
    return frozenset(node.slot("data").node for node in passes)


# --- steps ------------------------------------------------------------------------------


def expressions(step: Call) -> tuple[tuple[str, Expr], ...]:
    """What a step evaluates: the columns that it makes with their expressions, or its condition as ``""``."""
    args: dict[str, Any] = dict(step.args)
    if step.name == "filter":
        return (("", condition(step)),)
    columns: tuple[tuple[str, Expr], ...] = args["columns"]
    return columns


def condition(step: Call) -> Expr:
    """What a row must meet to stay."""
    args: dict[str, Any] = dict(step.args)
    return Op("not", (args["drop"],)) if args["keep"] is None else args["keep"]


def columns_needed(steps: Sequence[Call]) -> tuple[str, ...] | None:
    """The columns of the input that steps use, sorted; None where the result has all of them."""
    need: set[str] | None = None
    for step in reversed(steps):
        made = dict(expressions(step))
        read = {column for expr in made.values() for column in columns_read(expr)}
        if step.name == "select":
            need = read
        elif need is not None:
            need = (need - made.keys()) | read
    return None if need is None else tuple(sorted(need))


def input_columns(graph: Graph, ref: Ref) -> Columns:
    """The columns of what a reference stands for; empty where they are not known."""
    kind = graph.nodes[ref.node].type
    if isinstance(kind, MapType):
        kind = dict(kind.items)[ref.key]
    return dict(kind.columns) if isinstance(kind, DataType) else {}


def columns_before(steps: Sequence[Call], columns: Columns) -> list[Columns]:
    """The columns that each step finds, as far as they are known."""
    found: list[Columns] = []
    for step in steps:
        found.append(columns)
        if step.name != "filter":
            kinds = {name: column_type(expr, columns) for name, expr in expressions(step)}
            known = {name: kind for name, kind in kinds.items() if not isinstance(kind, RowProblem)}
            others = {} if step.name == "select" else {c: k for c, k in columns.items() if c not in kinds}
            columns = {**others, **known}
    return found


# --- what may change places -----------------------------------------------------------------


def may_pass(steps: Sequence[Call], order: Sequence[int], at: int, columns: Columns) -> bool:
    """Whether the step in place `at` of `order` is a filter that may go before the one in front of it."""
    before, step = steps[order[at - 1]], steps[order[at]]
    if step.name != "filter":
        return False
    if before.name == "filter" and order[at - 1] > order[at]:
        return True  # they stood so when they were written
    kinds = columns_before(steps, columns)
    both = (order[at - 1], order[at])
    if not all(is_steady(expr, kinds[i]) for i in both for _, expr in expressions(steps[i])):
        return False
    over = [i for i in (order[at - 1], *order[at + 1 :]) if i < order[at]]
    return _back(condition(step), steps, over) is not None


def is_steady(expr: Expr, columns: Columns) -> bool:
    """Whether an expression has a value for every row without missing values, whatever the values are."""
    if not isinstance(expr, Op):
        return not isinstance(expr, (int, float)) or isinstance(expr, bool) or abs(expr) < EXACT
    if expr.name in ("in", "not in"):
        item, among = expr.args
        return (
            is_steady(item, columns)
            and isinstance(among, Op)
            and among.name in ("list", "range")
            and all(_compares(item, other, columns) for other in among.args)
        )
    if expr.name in ("==", "!=", "<", "<=", ">", ">="):
        left, right = expr.args
        return _compares(left, right, columns)
    if expr.name == "has":
        return isinstance(expr.args[0], Col)
    return expr.name in STEADY and all(is_steady(arg, columns) for arg in expr.args)


STEADY = frozenset(
    ("and", "or", "not", "len", "lower", "upper", "strip", "contains", "starts_with", "matches", "parses")
)
EXACT = 2**53
"""Whole numbers below this are numbers of the type Float too: others cannot always be compared with one."""


def _compares(left: Expr, right: Expr, columns: Columns) -> bool:
    if not (is_steady(left, columns) and is_steady(right, columns)):
        return False
    if any(isinstance(side, (str, int)) for side in (left, right)):
        return True
    kinds = [column_type(side, columns) for side in (left, right)]
    return not isinstance(kinds[0], RowProblem) and kinds[0] == kinds[1]


def _back(expr: Expr, steps: Sequence[Call], over: Sequence[int]) -> Expr | None:
    """`expr` over the columns before the steps `over`, None where it asks for a column that they compute."""
    for i in sorted(over, reverse=True):
        if steps[i].name == "filter":
            continue
        made = dict(expressions(steps[i]))
        read = columns_read(expr)
        if not all(isinstance(made.get(name, Col(name)), Col) for name in read):
            return None
        expr = rename(expr, {name: made[name].name for name in read if name in made})
    return expr


def rename(expr: Expr, names: Mapping[str, str]) -> Expr:
    if isinstance(expr, Col):
        return Col(names.get(expr.name, expr.name))
    if isinstance(expr, Op):
        return Op(expr.name, tuple(rename(arg, names) for arg in expr.args))
    return expr


# --- carrying it out ----------------------------------------------------------------------


def blocks(order: Sequence[int]) -> list[tuple[int, ...]]:
    """`order` cut into the shortest parts that keep their places among each other."""
    found, start = [], 0
    for stop in range(1, len(order) + 1):
        if max(order[:stop]) < stop:
            found.append(tuple(order[start:stop]))
            start = stop
    return found


def moved(steps: Sequence[Call], block: Sequence[int]) -> tuple[Call, ...]:
    """The steps of a block in its order, filters in the words of the columns that they find there."""
    found = []
    for place, i in enumerate(block):
        over = [j for j in block[place + 1 :] if j < i]
        if steps[i].name == "filter" and over:
            asked = _back(condition(steps[i]), steps, over)
            found.append(Call("filter", (("revision", 1), ("keep", asked), ("drop", None))))
        else:
            found.append(steps[i])
    return tuple(found)


def guards(steps: Sequence[Call], block: Sequence[int]) -> tuple[str, ...]:
    """The columns before a block in which no value may be missing where its steps change places, sorted."""
    origins: dict[str, set[str]] = {}
    found: set[str] = set()
    for i in sorted(block):
        made = {}
        for name, expr in expressions(steps[i]):
            read = {column for c in columns_read(expr) for column in origins.get(c, {c})}
            made[name] = read
            if not isinstance(expr, Col) or steps[i].name == "filter":
                found |= read
        if steps[i].name != "filter":
            origins |= made
    return tuple(sorted(found))
