"""The plan: what will run, in order, with its price. One versioned MessagePack file.

A plan depends on the spec, its parameters, the pinned facts of its sources and on what the store already
holds; never on time, process or machine. Only plans are run.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any, Literal

import msgspec

from fusec.compiler.budget import amount_of
from fusec.compiler.cost import LOCAL_CPU, Cost, Range, Rates
from fusec.compiler.facts import SourceFacts, SourceRequest
from fusec.compiler.identity import graph_ids, plan_id
from fusec.compiler.ir import Goal, Graph, Ref
from fusec.compiler.irtext import read_ir, write_ir
from fusec.compiler.passes import Trace, optimize
from fusec.compiler.passes.reuse import missing
from fusec.compiler.step import GRADES, raise_step
from fusec.compiler.typed import Typed
from fusec.lang.types import MapType, Type
from fusec.lang.units import quantity_text

VERSION = 1
State = Literal["new", "stored", "source"]


class Task(msgspec.Struct, frozen=True):
    """One node of the graph with its identity, its state in the store and its price."""

    name: str
    verb: str
    revision: int
    id: str
    grade: str
    state: State
    cost: Cost
    seconds: Range


class PlannedSource(msgspec.Struct, frozen=True):
    """How to open a source again: what was asked for and what was found."""

    name: str
    request: SourceRequest
    facts: SourceFacts


class PlannedLimit(msgspec.Struct, frozen=True):
    """One bound of the budget beside what the plan needs of it."""

    name: str
    limit: float
    planned: float
    unit: str

    @property
    def tight(self) -> bool:
        return self.planned > 0.95 * self.limit

    def text(self, value: float) -> str:
        return quantity_text(value, "Time" if self.unit == "s" else "Size")


class Plan(msgspec.Struct, frozen=True):
    """`ir` is the optimized graph as text, so a plan can be read; `id` covers only what it is for.

    `spec` is the file name of the spec and `spec_digest` the sha256 of its text, in hex: a plan runs without
    its spec and still says which one it was made from.
    """

    version: int
    id: str
    spec: str
    spec_digest: str
    params: tuple[tuple[str, Any], ...]
    ir: str
    tasks: tuple[Task, ...]
    sources: tuple[PlannedSource, ...]
    limits: tuple[PlannedLimit, ...]
    passes: tuple[Trace, ...]
    grade: str
    rates: str

    def graph(self) -> Graph:
        return read_ir(self.ir)


def types_of(graph: Graph) -> dict[Ref, Type]:
    """The type of every reference that can be made into the graph."""
    types: dict[Ref, Type] = {}
    for name, node in graph.nodes.items():
        types[Ref(name)] = node.type
        if isinstance(node.type, MapType):
            types.update({Ref(name, key): part for key, part in node.type.items})
    return types


def make_plan(
    typed: Typed,
    graph: Graph,
    *,
    spec: str,
    spec_digest: str,
    stored: Container[str] = (),
    without: Container[str] = (),
    rates: Rates = LOCAL_CPU,
) -> Plan:
    """Optimize, find what is stored already, price the rest."""
    graph, traces = optimize(graph, without=without)
    ids = graph_ids(graph)
    todo = missing(graph, ids, () if "reuse" in without else stored)
    types = types_of(graph)
    tasks = []
    for name, node in graph.nodes.items():
        state: State = "new" if name in todo else "stored"
        cost = raise_step(node, types).cost(node.type) if state == "new" else Cost()
        if node.verb in ("source.model", "source.tokenizer"):
            state = "source"
        seconds = rates.seconds(cost) if state == "new" else Range()
        tasks.append(Task(name, node.verb, node.revision, ids[name], node.grade, state, cost, seconds))
    return Plan(
        version=VERSION,
        id=plan_id(graph, ids),
        spec=spec,
        spec_digest=spec_digest,
        params=tuple(sorted(typed.params.items())),
        ir=write_ir(graph),
        tasks=tuple(tasks),
        sources=tuple(
            PlannedSource(name, typed.sources[name], typed.facts[name])
            for name in graph.nodes
            if name in typed.sources
        ),
        limits=_limits(typed, tasks),
        passes=(*traces, Trace("reuse", len(graph.nodes), len(todo))),
        grade=_worst(graph, graph.goals),
        rates=rates.name,
    )


def _limits(typed: Typed, tasks: list[Task]) -> tuple[PlannedLimit, ...]:
    found = []
    for limit in typed.limits:
        planned = sum(amount_of(task, limit.name).likely for task in tasks)
        found.append(PlannedLimit(limit.name, float(limit.value.value), planned, limit.value.kind))
    return tuple(found)


def _worst(graph: Graph, goals: tuple[Goal, ...]) -> str:
    """The weakest grade among the ancestors of the goals."""
    return max((node.grade for node in graph.nodes.values()), key=GRADES.index, default="exact")


def encode_plan(plan: Plan) -> bytes:
    return msgspec.msgpack.encode(plan)


class NewerPlan(Exception):
    """A plan written by a newer fusec (FUSE505)."""


def decode_plan(data: bytes) -> Plan:
    """Read a plan back. Raises `NewerPlan` for newer versions, `msgspec.DecodeError` for anything else."""

    class Head(msgspec.Struct):
        version: int

    version = msgspec.msgpack.decode(data, type=Head).version
    if version > VERSION:
        raise NewerPlan(f"plan format {version} is newer than {VERSION}, the newest this fusec reads")
    return msgspec.msgpack.decode(data, type=Plan)
