"""The plan: what will run, in order, with its price. One versioned MessagePack file.

Which results a plan makes depends on the spec, its parameters, the pinned facts of its sources and on what
the store already holds. Their prices depend on this machine too: on its processors, and on what steps before
took on it. Neither depends on the time or the process. Only plans are run.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Any, Literal

import msgspec

from fusec.compiler.budget import amount_of, amount_text
from fusec.compiler.cost import LOADING, Cost, Range, Rates, exactly
from fusec.compiler.facts import SourceFacts, SourceRequest
from fusec.compiler.files import UsedFile, used_files
from fusec.compiler.identity import graph_ids, plan_id
from fusec.compiler.ir import Call, Graph, Node
from fusec.compiler.irsteps import raise_step
from fusec.compiler.irtext import read_ir, write_ir
from fusec.compiler.measured import Measured
from fusec.compiler.methods.merge import Passes
from fusec.compiler.packages import PackagePin
from fusec.compiler.passes import OPTIONAL, Trace, optimize
from fusec.compiler.passes.outline import Known, Outline, types_of
from fusec.compiler.passes.reuse import missing
from fusec.compiler.passes.share_scans import read_by_others
from fusec.compiler.placement import Place
from fusec.compiler.predicting import Basis
from fusec.compiler.pricing import Machines
from fusec.compiler.reads.planned import PlannedReads, Planner, UnknownBlocks
from fusec.compiler.rowpass import scanned
from fusec.compiler.schedule import Span, longest_chain, one_by_one, timetable
from fusec.compiler.step import GRADES, Step
from fusec.compiler.steps.merge import Merge
from fusec.compiler.typed import Typed, TypedTarget

VERSION = 1
State = Literal["new", "stored", "source"]


class Task(msgspec.Struct, frozen=True):
    """One node of the graph with its identity, its state in the store and its price.

    `reads` is what a merge under a budget reads, where that is known before the run; `unknown` what keeps it
    from being known. `place` says where on the target it runs, None without a target or where it fits
    nowhere. `money` is in the currency of the target, None where nobody states a price. `retries` is how
    often a failure that may pass is tried again. `basis` says where the seconds of a step to compute come
    from, `when` it runs, and on a cluster on which machines, if all steps take their likely seconds.
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
    basis: Basis | None = None
    when: Span | None = None

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
    together, by name, in the order of the plan. `critical_path` are the steps to compute that wait for each
    other and take longest: more machines make a plan no faster than these. `without` are the passes of the
    optimizer that were left out: a run follows the same rule for what it makes. `speeds` are the rates of
    this machine that seconds were predicted with, before corrections; None on a cluster.
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
    fusec: str = ""
    critical_path: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    speeds: Rates | None = None

    def graph(self) -> Graph:
        return read_ir(self.ir)


def make_plan(
    typed: Typed,
    graph: Graph,
    *,
    spec: str,
    spec_digest: str,
    fusec: str = "",
    stored: Container[str] = (),
    without: Container[str] = (),
    added: Container[str] = (),
    after: str | None = None,
    target: TypedTarget | None = None,
    planner: Planner | None = None,
    measured: Measured | None = None,
) -> Plan:
    """Optimize, find what is stored already, place and price the rest; without `target` for this machine.

    `without` and `added` are passes of the optimizer to leave out, and to run that are off by default;
    behind `after` steps are placed only.
    `planner` decides what merges under a budget read; without one the run does. `measured` is what is known
    of this machine: it changes seconds and money, never what is made.
    """
    machines = Machines(target, measured)
    limit = next((limit for limit in typed.limits if limit.name == "expert_reads"), None)
    known = Known(
        stored=stored,
        expert_reads=None if limit is None else int(limit.value.value),
        planner=planner,
        written={name: typed_step.step for name, typed_step in typed.steps.items()},
        together=not machines.parallel,
        placer=lambda outline: _with_tasks(outline, typed, machines),
    )
    outline, traces = optimize(graph, known, without=without, added=added, after=after)
    outline = outline if outline.tasks else known.placer(outline)
    graph, tasks = outline.graph, outline.tasks
    return Plan(
        version=VERSION,
        id=plan_id(graph, {task.name: task.id for task in tasks}),
        spec=spec,
        spec_digest=spec_digest,
        params=tuple(sorted(typed.params.items())),
        ir=write_ir(graph),
        tasks=tasks,
        sources=tuple(
            PlannedSource(name, typed.sources[name], typed.facts[name], typed.licences.get(name, ""))
            for name in graph.nodes
            if name in typed.sources
        ),
        limits=_limits(typed, tasks, outline.wall, outline.undivided),
        passes=traces,
        grade=_worst(graph),
        rates=machines.rates_name,
        speeds=machines.speeds,
        target=_planned(target, machines),
        wall=outline.wall,
        packages=tuple(sorted({pin for node in graph.nodes.values() for pin in node.packages})),
        spec_files=used_files(typed.files),
        scans=outline.scans,
        fusec=fusec,
        critical_path=_critical_path(graph, tasks),
        without=tuple(name for name in OPTIONAL if name in without),
    )


def _with_tasks(outline: Outline, typed: Typed, machines: Machines) -> Outline:
    """The outline with a task for each node: its state, and what computing it takes where."""
    graph, todo = outline.graph, outline.todo
    ids, types = graph_ids(graph), types_of(graph)
    others = read_by_others(graph, types, outline.scans)
    in_place = scanned(graph)
    tasks = []
    loaded: set[str] = set()
    for name, node in graph.nodes.items():
        state: State = "new" if name in todo else "stored"
        if node.verb in ("source.model", "source.delta", "source.tokenizer") or name in in_place:
            state = "source"
        task = Task(name, node.verb, node.revision, ids[name], node.grade, state, Cost(), Range())
        if state == "new":
            reads = outline.reads.get(name)
            if isinstance(reads, UnknownBlocks):
                task = msgspec.structs.replace(task, unknown=reads)
            elif reads is not None:
                task = msgspec.structs.replace(task, reads=reads)
            step = raise_step(node, types)
            # A cluster runs each step in a process of its own.
            fresh = set(step.loads) - (set() if machines.parallel else loaded)
            loaded |= fresh
            loading = sum(LOADING[library] for library in sorted(fresh))
            task = _priced(task, step, node, typed, machines, others.get(name), loading)
        tasks.append(task)
    tasks, wall = _scheduled(graph, tasks, machines)
    return msgspec.structs.replace(outline, tasks=tuple(tasks), wall=wall)


def _priced(
    task: Task,
    step: Step,
    node: Node,
    typed: Typed,
    machines: Machines,
    others: Passes | None,
    loading: float,
) -> Task:
    """A task to compute, with what it uses, where it runs, and what that takes.

    `others` is what a merge is spared by those that read with it, `loading` the seconds of what it loads.
    """
    # Identity and graph leave out where and how often a step is tried: the spec says it.
    written = typed.steps[node.name].step if node.name in typed.steps else step
    cost = step.cost(node.type)
    if others is not None and isinstance(step, Merge):
        cost = step.cost_beside(node.type, others)
    if task.reads is not None:
        cost = cost.reading(exactly(task.reads.physical))
    price = machines.price(written, cost, method_of(node), loading)
    return msgspec.structs.replace(
        task,
        cost=cost,
        seconds=price.seconds,
        place=price.place,
        money=price.money,
        retries=written.retries,
        basis=price.basis,
    )


def method_of(node: Node) -> str:
    """The first of the methods of a step, empty for one that has none."""
    return next((value.name for _, value in node.slots if isinstance(value, Call)), "")


def _planned(target: TypedTarget | None, machines: Machines) -> PlannedTarget | None:
    if target is None:
        return None
    value = target.value
    return PlannedTarget(target.name, value.name, getattr(value, "cpus", None), machines.currency)


def _scheduled(graph: Graph, tasks: list[Task], machines: Machines) -> tuple[list[Task], Range]:
    """When and where the tasks to compute are expected to run, and how long all of it takes."""
    seconds = {task.name: task.seconds for task in tasks if task.state == "new"}
    places = {task.name: task.place for task in tasks if task.place is not None}
    if machines.parallel and places.keys() >= seconds.keys():
        found, wall = timetable(seconds, places, _needs(graph, seconds), machines.pools)
    else:
        found = one_by_one({name: amount.likely for name, amount in seconds.items()})
        wall = sum(seconds.values(), Range())
    return [msgspec.structs.replace(task, when=found.get(task.name)) for task in tasks], wall


def _critical_path(graph: Graph, tasks: Iterable[Task]) -> tuple[str, ...]:
    seconds = {task.name: task.seconds.likely for task in tasks if task.state == "new"}
    return longest_chain(seconds, _needs(graph, seconds))


def _needs(graph: Graph, names: Iterable[str]) -> dict[str, list[str]]:
    return {name: [ref.node for ref in graph.nodes[name].inputs] for name in names}


def _limits(
    typed: Typed, tasks: Iterable[Task], wall: Range, unshared: UnknownBlocks | None
) -> tuple[PlannedLimit, ...]:
    found = []
    for limit in typed.limits:
        planned = wall.likely
        if limit.name != "wall":
            planned = sum((amount_of(task, limit.name).likely for task in tasks), 0.0)
        unknown = unshared if limit.name == "expert_reads" else None
        found.append(PlannedLimit(limit.name, float(limit.value.value), planned, limit.value.kind, unknown))
    return tuple(found)


def _worst(graph: Graph) -> str:
    """The weakest grade among the ancestors of the goals; a graph may have more than those."""
    needed = missing(graph, graph_ids(graph), ())
    return max((graph.nodes[name].grade for name in needed), key=GRADES.index, default="exact")


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
