"""What a result is: a hash of everything that can change its bytes, and of nothing else.

In: verb, revision, resolved slots (the seed among them), identities of inputs, and the content of the
packages whose code does the work. Out: names, order of
declarations, formatting, files, origins, types. Sources are what they contain, wherever they lie.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import msgspec

from fusec.compiler.ir import Call, Check, Graph, Node, Output, Pairs, Ref, goal_refs
from fusec.compiler.rowexpr import Col, Op

PASS = "rows.pass"
"""Several row-local steps in one pass, see `rowpass.py`."""

# Slots that change no result: where a source was found.
OUTSIDE = frozenset({"uri"})


def node_id(node: Node, ids: Mapping[str, str]) -> str:
    """64 hex digits; `ids` holds the identities of all inputs by node name."""
    if node.verb == PASS:
        return ids_within({name: plain(node.slot(name), ids) for name in ("data", "steps")})[-1]
    slots = [[name, plain(value, ids)] for name, value in node.slots if name not in OUTSIDE]
    if not node.packages:
        return digest(["node", node.verb, node.revision, slots])
    packages = [str(package) for package in node.packages]
    return digest(["node", node.verb, node.revision, slots, packages])


def ids_within(slots: Mapping[str, Any]) -> tuple[str, ...]:
    """The identity of what each step of a pass makes, from the slots `data` and `steps` as plain values.

    Steps that are done in one pass make what they make one after another.
    """
    data, found = slots["data"], []
    for _, verb, (_, revision), *rest in slots["steps"][1:]:
        found.append(digest(["node", verb, revision, [["data", data], *rest]]))
        data = ["ref", found[-1], ""]
    return tuple(found)


def graph_ids(graph: Graph) -> dict[str, str]:
    """The identity of every node."""
    ids: dict[str, str] = {}
    for name, node in graph.nodes.items():
        ids[name] = node_id(node, ids)
    return ids


def plan_id(graph: Graph, ids: Mapping[str, str]) -> str:
    """The identity of what a graph is for: its goals, in an order that no name decides."""
    goals = []
    for goal in graph.goals:
        if isinstance(goal, Output):
            goals.append(["output", goal.to, *(plain(ref, ids) for ref in goal_refs(goal))])
        elif isinstance(goal, Check):
            goals.append(["check", plain(goal.condition, ids)])
        else:
            goals.append(["keep", plain(goal.of, ids)])
    return digest(["plan", sorted(digest(goal) for goal in goals)])


def plain(value: Any, ids: Mapping[str, str]) -> Any:
    """A value as lists, strings and numbers, tagged so that no two values of one slot look alike."""
    if isinstance(value, Ref):
        return ["ref", ids[value.node], value.key]
    if isinstance(value, tuple):
        return ["list", *(plain(item, ids) for item in value)]
    if isinstance(value, Pairs):
        return ["pairs", *([plain(k, ids), plain(v, ids)] for k, v in value.items)]
    if isinstance(value, Call):
        return ["call", value.name, *([name, plain(arg, ids)] for name, arg in value.args)]
    if isinstance(value, Col):
        return ["column", value.name]
    if isinstance(value, Op):
        return ["op", value.name, *(plain(arg, ids) for arg in value.args)]
    return value


def digest(value: Any) -> str:
    """sha256 of the MessagePack form, which tells ints, floats, strings and booleans apart."""
    return sha256(msgspec.msgpack.encode(value)).hexdigest()
