"""What a run leaves to its manifest: a record per node, and all of them with where and how it ran."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import fusec
from fusec.compiler.ir import Node, Ref
from fusec.compiler.lock import encode_lock, make_lock
from fusec.compiler.plan import Plan, Task
from fusec.compiler.reads.planned import PlannedReads
from fusec.runtime.digest import FolderDigest, bytes_digest
from fusec.runtime.kernel import Artifact
from fusec.runtime.manifest import (
    CheckRecord,
    Environment,
    Gate,
    LimitRecord,
    Manifest,
    NodeRecord,
    OutputRecord,
    SourceRecord,
)
from fusec.runtime.values import plain_slots


def node_record(
    node: Node,
    task: Task,
    artifact: Artifact,
    digest: FolderDigest,
    ids: Mapping[str, str],
    state: Literal["computed", "reused"],
    actual: Mapping[str, float],
    reads: PlannedReads | None = None,
) -> NodeRecord:
    """One step: what it was asked, what the plan said it would take, what it took and what came out."""
    cost = {name: getattr(task.cost, name) for name in task.cost.__struct_fields__}
    estimate: dict[str, float | tuple[float, float, float]]
    estimate = {name: (r.low, r.likely, r.high) for name, r in cost.items() if r.high}
    estimate["seconds"] = (task.seconds.low, task.seconds.likely, task.seconds.high)
    return NodeRecord(
        name=node.name,
        verb=node.verb,
        revision=node.revision,
        id=artifact.id,
        kind=artifact.kind,
        grade=node.grade,  # type: ignore[arg-type]
        slots=plain_slots(node, ids),
        inputs=tuple(_input_id(ref, ids) for ref in node.inputs),
        root=digest.root,
        files=digest.files,
        state=state,
        seed=dict(node.slots).get("seed"),
        estimate=estimate,
        actual=dict(actual),
        reads=reads,
    )


def manifest_of(
    plan: Plan,
    *,
    run: str,
    nodes: Iterable[NodeRecord],
    checks: tuple[CheckRecord, ...],
    outputs: tuple[OutputRecord, ...],
    gate: Gate,
    started: float,
    seconds: float,
    environment: Environment,
    limits: tuple[LimitRecord, ...] = (),
) -> Manifest:
    """The manifest of a finished run, but for the semantic digest, which `write_manifest` adds."""
    lock = make_lock(
        {source.request: source.facts for source in plan.sources}, plan.packages, plan.spec_files
    )
    return Manifest(
        fusec=fusec.__version__,
        run=run,
        spec_digest=plan.spec_digest,
        lock_digest=bytes_digest(encode_lock(lock)),
        plan_digest=plan.id,
        params=dict(plan.params),
        nodes=tuple(nodes),
        sources=tuple(SourceRecord(name=s.name, at=s.facts.uri, pin=s.facts.pin) for s in plan.sources),
        packages=plan.packages,
        spec_files=plan.spec_files,
        limits=limits,
        checks=checks,
        outputs=outputs,
        grade=plan.grade,  # type: ignore[arg-type]
        gate=gate,
        started=started,
        seconds=seconds,
        environment=environment,
    )


def _input_id(ref: Ref, ids: Mapping[str, str]) -> str:
    return f"{ids[ref.node]}-{ref.key}" if ref.key else ids[ref.node]
