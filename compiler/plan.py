"""The plan: what will run, in order, with its price. One versioned MessagePack file.

A plan depends on the spec, its parameters, the pinned facts of its sources and on what the store already
holds; never on time, process or machine. Only plans are run.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any, Literal

import msgspec

from fusec.compiler.budget import amount_of, amount_text
from fusec.compiler.cost import Cost, Range, exactly
from fusec.compiler.facts import SourceFacts, SourceRequest
from fusec.compiler.files import UsedFile, used_files
from fusec.compiler.identity import graph_ids, plan_id
from fusec.compiler.ir import Goal, Graph, Node, Ref
from fusec.compiler.irsteps import raise_step
from fusec.compiler.irtext import read_ir, write_ir
from fusec.compiler.methods.merge import Passes
from fusec.compiler.packages import PackagePin
from fusec.compiler.passes import Trace, optimize
from fusec.compiler.passes.read_budget import read_budget
from fusec.compiler.passes.reuse import missing
from fusec.compiler.passes.share_scans import read_by_others, share_scans
from fusec.compiler.placement import Place
from fusec.compiler.pricing import Machines
from fusec.compiler.reads.planned import PlannedReads, Planner, UnknownBlocks
from fusec.compiler.schedule import wall_time
from fusec.compiler.step import GRADES, Step
from fusec.compiler.steps.merge import Merge
from fusec.compiler.typed import Typed, TypedTarget
from fusec.lang.types import MapType, Type

VERSION = 1
State = Literal["new", "stored", "source"]


class Task(msgspec.Struct, frozen=True):
    """One node of the graph with its identity, its state in the store and its price.

    `reads` is what a merge under a budget reads, where that is known before the run; `unknown` what keeps it
    from being known. `place` says where on the target it runs, None without a target or where it fits
    nowhere. `money` is in the currency of the target, None where nobody states a price. `retries` is how
    often a failure that may pass is tried again.
    """

    name: str
    verb: str
    revision: int
    id: str
    grade: str
    state: State
    cost: Cost
    seconds: Range
    place: Place | None = None
    money: Range | None = None
    retries: int = 0
    reads: PlannedReads | None = None
    unknown: UnknownBlocks | None = None

    @property
    def gpu_hours(self) -> Range:
        return self.seconds * (self.place.ask.gpus / 3600 if self.place is not None else 0.0)


class PlannedSource(msgspec.Struct, frozen=True):
    """How to open a source again: what was asked for and what was found; its licence where one is stated."""

    name: str
    request: SourceRequest
    facts: SourceFacts
    licence: str = ""


class PlannedLimit(msgspec.Struct, frozen=True):
    """One bound of the budget beside what the plan needs of it.

    `unknown` is what keeps the bound from being divided among merges.
    """

    name: str
    limit: float
    planned: float
    unit: str
    unknown: UnknownBlocks | None = None

    @property
    def tight(self) -> bool:
        return self.planned > 0.95 * self.limit

    def text(self, value: float) -> str:
        return amount_text(value, self.unit)


class PlannedTarget(msgspec.Struct, frozen=True):
    """The target a plan was placed on and priced for; `currency` is empty where it states no price."""

    name: str
    kind: str
    cpus: int | None
    currency: str


class Plan(msgspec.Struct, frozen=True):
    """`ir` is the optimized graph as text, so a plan can be read; `id` covers only what it is for.

    `wall` is the time from the first step to the last, in seconds: on a cluster steps run beside each other.
    `spec` is the file name of the spec and `spec_digest` the sha256 of its text, in hex: a plan runs without
    its spec and still says which one it was made from, as `spec_files` does for the files that the spec uses.
    `packages` are those whose code makes its results. `scans` are the merges that read base and experts
    together, by name, in the order of the plan.
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
    target: PlannedTarget | None = None
    wall: Range = Range()
    packages: tuple[PackagePin, ...] = ()
    spec_files: tuple[UsedFile, ...] = ()
    scans: tuple[tuple[str, ...], ...] = ()

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
    target: TypedTarget | None = None,
    planner: Planner | None = None,
) -> Plan:
    """Optimize, find what is stored already, place and price the rest; without `target` for this machine.

    `planner` decides what merges under a budget read; without one the run does.
    """
    known = graph_ids(graph)
    graph, traces = optimize(graph, without=without)
    unshared: UnknownBlocks | None = None
    limit = next((limit for limit in typed.limits if limit.name == "expert_reads"), None)
    if limit is not None and planner is not None and "read_budget" not in without:
        before, sharing = len(graph.nodes), "share_scans" not in without
        graph, unshared = read_budget(
            graph, types_of(graph), int(limit.value.value), planner, stored, sharing=sharing
        )
        traces = (*traces, Trace("read_budget", before, len(graph.nodes)))
    ids = graph_ids(graph)
    todo = missing(graph, ids, () if "reuse" in without else stored)
    types = types_of(graph)
    machines = Machines(target)
    sharing = "share_scans" not in without and not machines.parallel
    scans = share_scans(graph, types, todo) if sharing else ()
    others = read_by_others(graph, types, scans)
    if scans:
        traces = (*traces, Trace("share_scans", sum(map(len, scans)), len(scans)))
    tasks = []
    for name, node in graph.nodes.items():
        state: State = "new" if name in todo else "stored"
        if node.verb in ("source.model", "source.delta", "source.tokenizer"):
            state = "source"
        task = Task(name, node.verb, node.revision, ids[name], node.grade, state, Cost(), Range())
        if state == "new":
            # A planner finds inputs by what they were: of one that got a budget since, only the run can tell.
            same = all(known.get(ref.node) == ids[ref.node] for ref in node.inputs)
            reads = planner.plan(node) if planner is not None and same else None
            if isinstance(reads, UnknownBlocks):
                task = msgspec.structs.replace(task, unknown=reads)
            elif reads is not None:
                task = msgspec.structs.replace(task, reads=reads)
            task = _priced(task, raise_step(node, types), node, typed, machines, others.get(name))
        tasks.append(task)
    wall = _wall(graph, tasks, machines)
    return Plan(
        version=VERSION,
        id=plan_id(graph, ids),
        spec=spec,
        spec_digest=spec_digest,
        params=tuple(sorted(typed.params.items())),
        ir=write_ir(graph),
        tasks=tuple(tasks),
        sources=tuple(
            PlannedSource(name, typed.sources[name], typed.facts[name], typed.licences.get(name, ""))
            for name in graph.nodes
            if name in typed.sources
        ),
        limits=_limits(typed, tasks, wall, unshared),
        passes=(*traces, Trace("reuse", len(graph.nodes), len(todo))),
        grade=_worst(graph, graph.goals),
        rates=machines.rates_name,
        target=_planned(target, machines),
        wall=wall,
        packages=tuple(sorted({pin for node in graph.nodes.values() for pin in node.packages})),
        spec_files=used_files(typed.files),
        scans=scans,
    )


def _priced(
    task: Task, step: Step, node: Node, typed: Typed, machines: Machines, others: Passes | None
) -> Task:
    """A task to compute, with what it uses, where it runs, and what that takes.

    `others` is what a merge is spared by those that read with it.
    """
    # Identity and graph leave out where and how often a step is tried: the spec says it.
    written = typed.steps[node.name].step if node.name in typed.steps else step
    cost = step.cost(node.type)
    if others is not None and isinstance(step, Merge):
        cost = step.cost_beside(node.type, others)
    if task.reads is not None:
        cost = cost.reading(exactly(task.reads.physical))
    place, seconds, money = machines.price(written, cost)
    return msgspec.structs.replace(
        task, cost=cost, seconds=seconds, place=place, money=money, retries=written.retries
    )


def _planned(target: TypedTarget | None, machines: Machines) -> PlannedTarget | None:
    if target is None:
        return None
    value = target.value
    return PlannedTarget(target.name, value.name, getattr(value, "cpus", None), machines.currency)


def _wall(graph: Graph, tasks: list[Task], machines: Machines) -> Range:
    seconds = {task.name: task.seconds for task in tasks if task.state == "new"}
    places = {task.name: task.place for task in tasks if task.place is not None}
    if not machines.parallel or not places.keys() >= seconds.keys():
        return sum(seconds.values(), Range())
    needs = {name: [ref.node for ref in graph.nodes[name].inputs] for name in seconds}
    return wall_time(seconds, places, needs, machines.pools)


def _limits(
    typed: Typed, tasks: list[Task], wall: Range, unshared: UnknownBlocks | None
) -> tuple[PlannedLimit, ...]:
    found = []
    for limit in typed.limits:
        planned = wall.likely
        if limit.name != "wall":
            planned = sum((amount_of(task, limit.name).likely for task in tasks), 0.0)
        unknown = unshared if limit.name == "expert_reads" else None
        found.append(PlannedLimit(limit.name, float(limit.value.value), planned, limit.value.kind, unknown))
    return tuple(found)


def _worst(graph: Graph, goals: tuple[Goal, ...]) -> str:
    """The weakest grade among the ancestors of the goals."""
    return max((node.grade for node in graph.nodes.values()), key=GRADES.index, default="exact")


def encode_plan(plan: Plan) -> bytes:
    return msgspec.msgpack.encode(plan)


class NewerPlan(Exception):
    """A plan written by a newer fusec (FUSE505)."""

    def __init__(self, version: int) -> None:
        super().__init__(f"plan format {version} is newer than {VERSION}, the newest this fusec reads")
        self.version = version


def decode_plan(data: bytes) -> Plan:
    """Read a plan back. Raises `NewerPlan` for newer versions, `msgspec.DecodeError` for anything else."""

    class Head(msgspec.Struct):
        version: int

    version = msgspec.msgpack.decode(data, type=Head).version
    if version > VERSION:
        raise NewerPlan(version)
    return msgspec.msgpack.decode(data, type=Plan)
