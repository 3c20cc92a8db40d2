"""A plan as plain data for tools: what `fusec plan --json` prints, and its published schema.

Fields are added, never changed, while `FORMAT` stays what it is.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from fusec.compiler.ir import Check, Output
from fusec.compiler.plan import Plan, State, Task
from fusec.compiler.predicting import Basis
from fusec.compiler.reads.planned import PlannedReads

FORMAT: Final = 1

Bytes = Annotated[int, Meta(description="bytes, as likely")]
Seconds = Annotated[float, Meta(description="seconds, as likely")]
Spread = Annotated[tuple[float, float], Meta(description="low and high")]
Price = Annotated[float | None, Meta(description="in `totals.currency`; null where nobody states a price")]
Share = Annotated[float, Meta(description="a share of 1")]


class ReadsObject(msgspec.Struct, frozen=True):
    """What a merge under a budget reads, and how far that is from reading everything.

    `error` is a bound on the 2-norm, null where the catalog holds estimates only.
    """

    bytes: Bytes
    full_bytes: Bytes
    error: float | None
    error_of_update: Share
    exact: bool
    update: float
    cast: float | None
    slack: float
    digest: str


class MachineObject(msgspec.Struct, frozen=True):
    """What a step holds of one machine of a cluster: machine `number` of those that the target lists as
    `nodes[node]`, both counted from 0."""

    node: int
    number: int
    gpus: int
    cpus: int


class NodeObject(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step. `inputs` are names of steps; `when` is from start to end, for what will be computed, and
    `machines` where on a cluster; `seconds_from` is what its likely seconds consist of."""

    name: str
    verb: str
    state: State
    id: str
    grade: str
    inputs: tuple[str, ...]
    reads_bytes: Bytes
    writes_bytes: Bytes
    seconds: Seconds
    seconds_range: Spread
    gpus: int
    price: Price
    when: Annotated[tuple[float, float], Meta(description="seconds")] | None = None
    machines: tuple[MachineObject, ...] = ()
    expert_reads: ReadsObject | None = None
    seconds_from: Basis | None = None


class TotalsObject(msgspec.Struct, frozen=True):
    """Sums over the steps to compute; `seconds` is from the first to the last, some at once on a cluster."""

    new: int
    stored: int
    reads_bytes: Bytes
    writes_bytes: Bytes
    seconds: Seconds
    seconds_range: Spread
    gpu_hours: float
    price: Price
    currency: str | None


class BudgetObject(msgspec.Struct, frozen=True):
    """A bound and what the plan needs of it, both in `unit`."""

    name: str
    limit: float
    planned: float
    unit: str
    tight: bool


class PassObject(msgspec.Struct, frozen=True):
    """A pass of the optimizer: a count before and after, what it did in words, what need not be read for it.

    It counts nodes where it rewrites the graph, and else what it decides about.
    """

    name: str
    before: int
    after: int
    said: str
    saved_bytes: Bytes


class PackageObject(msgspec.Struct, frozen=True):
    """A package whose code makes results."""

    name: str
    version: str
    sha256: str


class OutputObject(msgspec.Struct, frozen=True):
    """What is published where."""

    of: str
    to: str


class PlanObject(msgspec.Struct, frozen=True):
    """What `fusec plan --json` prints."""

    format: Literal[1]
    plan: Annotated[str, Meta(description="the identity of what it makes")]
    spec: str
    spec_digest: str
    grade: str
    rates: str
    target: str | None
    params: dict[str, Any]
    nodes: tuple[NodeObject, ...]
    critical_path: tuple[str, ...]
    outputs: tuple[OutputObject, ...]
    checks: tuple[str, ...]
    totals: TotalsObject
    budgets: tuple[BudgetObject, ...]
    scans: tuple[tuple[str, ...], ...]
    passes: tuple[PassObject, ...]
    packages: tuple[PackageObject, ...]
    unpinned: tuple[str, ...]


def plan_schema() -> dict[str, Any]:
    """The JSON schema of `PlanObject`."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return schema | {"title": f"fusec plan, format {FORMAT}"} | msgspec.json.schema(PlanObject)


def plan_json(plan: Plan) -> PlanObject:
    """The plan as tools read it; amounts are likely values, with low and high beside those that spread."""
    graph = plan.graph()
    return PlanObject(
        format=FORMAT,
        plan=plan.id,
        spec=plan.spec,
        spec_digest=plan.spec_digest,
        grade=plan.grade,
        rates=plan.rates,
        target=plan.target.name if plan.target is not None else None,
        params=dict(plan.params),
        nodes=tuple(
            _node(task, tuple(dict.fromkeys(ref.node for ref in graph.nodes[task.name].inputs)))
            for task in plan.tasks
        ),
        critical_path=plan.critical_path,
        outputs=tuple(
            OutputObject(str(goal.of)[1:], goal.to) for goal in graph.goals if isinstance(goal, Output)
        ),
        checks=tuple(goal.text for goal in graph.goals if isinstance(goal, Check)),
        totals=_totals(plan),
        budgets=tuple(
            BudgetObject(limit.name, limit.limit, limit.planned, limit.unit, limit.tight)
            for limit in plan.limits
        ),
        scans=plan.scans,
        passes=tuple(PassObject(p.name, p.before, p.after, p.said, p.saved) for p in plan.passes),
        packages=tuple(PackageObject(p.name, p.version, p.sha256) for p in plan.packages),
        unpinned=tuple(source.name for source in plan.sources if not source.facts.pinned_by_content),
    )


def _totals(plan: Plan) -> TotalsObject:
    new = [task for task in plan.tasks if task.state == "new"]
    prices = [task.money.likely for task in new if task.money is not None]
    return TotalsObject(
        new=len(new),
        stored=sum(task.state == "stored" for task in plan.tasks),
        reads_bytes=int(sum(task.cost.reads.likely for task in new)),
        writes_bytes=int(sum(task.cost.writes.likely for task in new)),
        seconds=plan.wall.likely,
        seconds_range=(plan.wall.low, plan.wall.high),
        gpu_hours=sum(task.gpu_hours.likely for task in new),
        price=sum(prices) if len(prices) == len(new) and plan.target is not None else None,
        currency=(plan.target.currency or None) if plan.target is not None else None,
    )


def _node(task: Task, inputs: tuple[str, ...]) -> NodeObject:
    return NodeObject(
        name=task.name,
        verb=task.verb,
        state=task.state,
        id=task.id,
        grade=task.grade,
        inputs=inputs,
        reads_bytes=int(task.cost.reads.likely),
        writes_bytes=int(task.cost.writes.likely),
        seconds=task.seconds.likely,
        seconds_range=(task.seconds.low, task.seconds.high),
        gpus=task.place.ask.gpus if task.place is not None else 0,
        price=task.money.likely if task.money is not None else None,
        when=(task.when.start, task.when.stop) if task.when is not None else None,
        machines=tuple(
            MachineObject(held.pool, held.machine, held.gpus, held.cpus)
            for held in (task.when.held if task.when is not None else ())
        ),
        expert_reads=_reads(task.reads) if task.reads is not None else None,
        seconds_from=task.basis,
    )


def _reads(reads: PlannedReads) -> ReadsObject:
    certificate = reads.certificate
    return ReadsObject(
        bytes=reads.physical,
        full_bytes=reads.full,
        error=certificate.error,
        error_of_update=certificate.of_update,
        exact=certificate.tight,
        update=certificate.update,
        cast=certificate.cast,
        slack=reads.slack,
        digest=reads.digest,
    )
