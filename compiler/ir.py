"""The graph between checking and running: immutable nodes in static single assignment.

A node is one piece of work. Its slots hold plain values whose only links to other nodes are `Ref`s, so
inputs, identity and printing all come from one walk over the slots. Names, origins and types ride
along for people; identity (`identity.py`) ignores them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from fusec.compiler.packages import PackagePin
from fusec.compiler.rowexpr import Col, Op
from fusec.lang.types import Type

if TYPE_CHECKING:
    import networkx


class Ref(msgspec.Struct, frozen=True, order=True):
    """The result of another node, or one named part of it."""

    node: str
    key: str = ""

    def __str__(self) -> str:
        return f"%{self.node}.{self.key}" if self.key else f"%{self.node}"


class Call(msgspec.Struct, frozen=True):
    """A method with every default filled in: `ties(density: 0.5, scale: 1.0)`."""

    name: str
    args: tuple[tuple[str, Value], ...] = ()


class Pairs(msgspec.Struct, frozen=True):
    """A map with its order: `[%math: 0.6, %code: 0.4]`."""

    items: tuple[tuple[Any, Any], ...]


Scalar: TypeAlias = bool | int | float | str | None
# Named in full: msgspec and mypy both need the recursion spelled once.
Value: TypeAlias = "Scalar | Ref | Call | Pairs | Col | Op | tuple[Value, ...]"


class Node(msgspec.Struct, frozen=True, dict=True):
    """One step: `slots` hold every slot with its resolved value, in declaration order.

    `packages` are those outside fusec whose code makes the result, in order of names.
    """

    name: str
    verb: str
    revision: int
    grade: str
    slots: tuple[tuple[str, Any], ...]
    type: Type
    origin: str = ""
    packages: tuple[PackagePin, ...] = ()

    def slot(self, name: str) -> Any:
        return next(value for key, value in self.slots if key == name)

    @cached_property  # every pass asks for it
    def inputs(self) -> tuple[Ref, ...]:
        """Every reference in slot order; a node used twice appears twice."""
        return tuple(refs(tuple(value for _, value in self.slots)))


class Output(msgspec.Struct, frozen=True, tag="output"):
    """Publish `of` at `to`."""

    of: Ref
    to: str
    origin: str = ""


class Check(msgspec.Struct, frozen=True, tag="check"):
    """A gate over reports: `condition` is a row-like expression whose leaves are `field(ref, name)`."""

    condition: Any
    text: str
    message: str = ""
    origin: str = ""


class Keep(msgspec.Struct, frozen=True, tag="keep"):
    """A result somebody asked for by name (`--only`, or a report that stands on its own)."""

    of: Ref


Goal: TypeAlias = Output | Check | Keep


def goal_refs(goal: Goal) -> tuple[Ref, ...]:
    if isinstance(goal, Check):
        return tuple(refs(goal.condition))
    return (goal.of,)


class Graph(msgspec.Struct, frozen=True, dict=True):
    """Nodes by name, in a topological order, and the goals they serve."""

    nodes: Mapping[str, Node]
    goals: tuple[Goal, ...] = ()

    @cached_property
    def dag(self) -> networkx.DiGraph[str]:
        import networkx

        dag: networkx.DiGraph[str] = networkx.DiGraph()
        dag.add_nodes_from(self.nodes)
        dag.add_edges_from((ref.node, node.name) for node in self.nodes.values() for ref in node.inputs)
        return dag

    def replace(self, nodes: Mapping[str, Node], goals: tuple[Goal, ...] | None = None) -> Graph:
        return Graph(nodes, self.goals if goals is None else goals)


def refs(value: Any) -> Iterator[Ref]:
    """Every reference inside a value, left to right."""
    found: list[Ref] = []
    _collect(value, found)
    return iter(found)


def _collect(value: Any, found: list[Ref]) -> None:
    if isinstance(value, Ref):
        found.append(value)
    elif isinstance(value, tuple):
        for item in value:
            _collect(item, found)
    elif isinstance(value, Pairs):
        _collect(value.items, found)
    elif isinstance(value, (Call, Op)):
        _collect(value.args, found)


def map_refs(value: Any, change: Callable[[Ref], Any]) -> Any:
    """The same value with each reference replaced by `change(ref)`."""
    if isinstance(value, Ref):
        return change(value)
    if isinstance(value, tuple):
        return tuple(map_refs(item, change) for item in value)
    if isinstance(value, Pairs):
        return Pairs(map_refs(value.items, change))
    if isinstance(value, Call):
        return Call(value.name, map_refs(value.args, change))
    if isinstance(value, Op):
        return Op(value.name, map_refs(value.args, change))
    return value


def verify(graph: Graph) -> None:
    """Assert that the graph is one: names agree, inputs come first, goals exist.

    A failure here is a bug in fusec (a pass broke the graph), never in a spec.
    """
    seen: set[str] = set()
    for name, node in graph.nodes.items():
        assert name == node.name, f"node {node.name} is filed under {name}"
        for ref in node.inputs:
            assert ref.node in seen, f"{name} uses %{ref.node} before it is made"
        seen.add(name)
    for goal in graph.goals:
        for ref in goal_refs(goal):
            assert ref.node in seen, f"a goal needs %{ref.node}, which is not in the graph"
