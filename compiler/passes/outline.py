"""A plan in the making: the graph, and what passes decide about it that no node says."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import TYPE_CHECKING

import msgspec

from fusec.compiler.cost import Range
from fusec.compiler.ir import Graph, Ref
from fusec.compiler.reads.planned import PlannedReads, Planner, UnknownBlocks
from fusec.compiler.step import Step
from fusec.lang.types import MapType, Type

if TYPE_CHECKING:
    from fusec.compiler.plan import Task

Scans = tuple[tuple[str, ...], ...]
"""Names of merges that read together, each scan in the order of the graph."""


class Outline(msgspec.Struct, frozen=True):
    """What a pass takes and gives.

    missing    the nodes to compute; None as long as nobody has looked into the store
    scans      merges that read base and experts together
    undivided  what keeps the budget of expert reads from being divided among merges
    reads      what merges under a budget read, or why that is unknown, by name
    tasks      the nodes with prices and places; `wall`, how long all of them take, in seconds
    """

    graph: Graph
    missing: frozenset[str] | None = None
    scans: Scans = ()
    undivided: UnknownBlocks | None = None
    reads: Mapping[str, PlannedReads | UnknownBlocks] = {}
    tasks: tuple[Task, ...] = ()
    wall: Range = Range()

    @property
    def todo(self) -> frozenset[str]:
        """The nodes to compute: all of them, before anybody has looked into the store."""
        return frozenset(self.graph.nodes) if self.missing is None else self.missing


class Known(msgspec.Struct, frozen=True):
    """What passes may know besides the graph.

    stored        identities of the results that are there already
    expert_reads  bytes that all merges together may read of their experts
    planner       finds out what merges under a budget read
    written       steps as the spec has them, with what their identity leaves out
    ids           identities of the nodes before any pass
    together      whether merges can read together, which they do not on a cluster
    everything    whether all nodes are wanted, not only those that goals need
    placer        gives an outline its tasks
    """

    stored: Container[str] = ()
    expert_reads: int | None = None
    planner: Planner | None = None
    written: Mapping[str, Step] = {}
    ids: Mapping[str, str] = {}
    together: bool = True
    everything: bool = False
    placer: Callable[[Outline], Outline] = lambda outline: outline


def types_of(graph: Graph) -> dict[Ref, Type]:
    """The type of every reference that can be made into the graph."""
    types: dict[Ref, Type] = {}
    for name, node in graph.nodes.items():
        types[Ref(name)] = node.type
        if isinstance(node.type, MapType):
            types.update({Ref(name, key): part for key, part in node.type.items})
    return types
