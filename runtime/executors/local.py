"""Run a plan in this process: one task after another, each staged, run and published.

The reference for every other executor. What the store has is not computed again; what fails leaves
nothing behind; the manifest is written last.
"""

from __future__ import annotations

import importlib
import os
import resource
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from fusec.compiler.identity import graph_ids
from fusec.compiler.ir import Check, Graph, Keep, Node, Output, Ref
from fusec.compiler.passes.reuse import missing
from fusec.compiler.plan import Plan, PlannedSource, Task, encode_plan
from fusec.compiler.step import find_verb
from fusec.runtime.checks import decide
from fusec.runtime.digest import bytes_digest
from fusec.runtime.events import (
    CheckDone,
    EventLog,
    Listener,
    OutputPublished,
    RunFinished,
    RunStarted,
    TaskFailed,
    TaskFinished,
    TaskStarted,
    TaskWaiting,
)
from fusec.runtime.kernel import Artifact, Context, Kind, Meter, RunError
from fusec.runtime.lineage import card_writer
from fusec.runtime.manifest import (
    CheckRecord,
    Manifest,
    NodeRecord,
    OutputRecord,
    SourceRecord,
    describe_environment,
    write_manifest,
)
from fusec.runtime.publish import publish_output
from fusec.runtime.sources import open_data, open_model, open_tokenizer
from fusec.runtime.store import Store
from fusec.runtime.values import kernel_values, plain_slots


@dataclass(frozen=True)
class Options:
    """How to run: nothing here changes the bytes of an `exact` result."""

    threads: int = field(default_factory=lambda: os.cpu_count() or 1)
    device: str = "cpu"
    gate: bool = True
    publish: bool = True
    listeners: tuple[Listener, ...] = ()


@dataclass(frozen=True)
class Ran:
    """A finished run: its manifest, where it lies, and the folder of every published output."""

    manifest: Manifest
    path: Path
    closed: bool


def run_plan(plan: Plan, store: Store, base: Path, options: Options | None = None) -> Ran:
    """Carry out `plan`; relative paths in it start at `base`, the folder of the spec.

    Raises `RunError` when a task fails; results finished before stay in the store.
    """
    return _Run(plan, store, base, options or Options()).carry_out()


class _Run:
    """The state of one run."""

    def __init__(self, plan: Plan, store: Store, base: Path, options: Options) -> None:
        self.plan, self.store, self.base, self.options = plan, store, base, options
        self.graph: Graph = plan.graph()
        self.ids = graph_ids(self.graph)
        self.tasks: Mapping[str, Task] = {task.name: task for task in plan.tasks}
        self.sources: Mapping[str, PlannedSource] = {source.name: source for source in plan.sources}
        self.artifacts: dict[str, Artifact] = {}
        self.records: dict[str, NodeRecord] = {}
        self.id = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"

    def carry_out(self) -> Ran:
        started, begin = time.time(), time.monotonic()
        with self.store.run(self.id, self.plan.spec) as folder:
            (folder / "plan").write_bytes(encode_plan(self.plan))
            with EventLog(folder / "events.jsonl", self.options.listeners) as self.log:
                self.log(
                    RunStarted(run=self.id, spec=self.plan.spec, plan=self.plan.id, tasks=len(self.tasks))
                )
                try:
                    self._work()
                    checks = self._check()
                    closed = any(not check.passed for check in checks)
                    outputs = () if closed and self.options.gate else self._publish()
                except BaseException as error:
                    self._say_end(error, time.monotonic() - begin)
                    raise
                seconds = time.monotonic() - begin
                manifest = self._manifest(checks, outputs, closed, started, seconds)
                path = folder / "manifest.json"
                manifest = write_manifest(path, manifest)
                shut = closed and self.options.gate
                self.log(
                    RunFinished(
                        run=self.id,
                        state="closed" if shut else "done",
                        seconds=seconds,
                        manifest=os.path.relpath(path, self.base),
                    )
                )
            self.store.catalog.finish_run(self.id, "closed" if shut else "done", seconds, str(path))
        return Ran(manifest, path, shut)

    def _say_end(self, error: BaseException, seconds: float) -> None:
        if isinstance(error, Exception):
            self.log(RunFinished(run=self.id, state="failed", seconds=seconds))
        else:
            self.log(RunFinished(run=self.id, state="interrupted", seconds=seconds))

    # --- tasks ------------------------------------------------------------------

    def _work(self) -> None:
        """Compute what is missing, in the order of the graph; tell what is there already."""
        present = {id for id in self.ids.values() if self.store.has(id)}
        needed = missing(self.graph, self.ids, present)
        for name, node in self.graph.nodes.items():
            if node.verb in ("source.model", "source.tokenizer"):
                if name in needed:
                    self.artifacts[name] = self._open(node)
            elif name in needed:
                self._compute(node)
            elif self.ids[name] in present:
                self._reuse(node)

    def _open(self, node: Node) -> Artifact:
        source = self.sources[node.name]
        if node.verb == "source.tokenizer":
            path = open_tokenizer(source.request, source.facts, base=self.base)  # type: ignore[arg-type]
            return Artifact("tokenizer", path, self.ids[node.name])
        digest = self.store.catalog.file_digest
        path = open_model(source.request, source.facts, base=self.base, digest=digest)  # type: ignore[arg-type]
        return Artifact("model", path, self.ids[node.name])

    def _reuse(self, node: Node) -> None:
        artifact = self.store.get(self.ids[node.name])
        assert artifact is not None
        self.artifacts[node.name] = artifact
        self.log(TaskFinished(task=node.name, id=artifact.id, state="reused", seconds=0.0))
        self.records[node.name] = self._record(node, artifact, "reused", {})

    def _compute(self, node: Node) -> None:
        id, begin, meter = self.ids[node.name], time.monotonic(), Meter()
        self.log(TaskStarted(task=node.name, verb=node.verb, id=id))
        try:
            with self.store.stage(id, lambda pid: self.log(TaskWaiting(task=node.name, pid=pid))) as out:
                artifact = self.store.get(id)  # another process may have made it meanwhile
                state: Literal["computed", "reused"] = "computed" if artifact is None else "reused"
                if artifact is None:
                    self._call(node, out, meter)
                    artifact = self.store.publish(kind_of_node(node), id, out, run=self.id)
        except RunError as error:
            self.log(TaskFailed(task=node.name, what=error.what, hint=error.hint))
            raise
        seconds = time.monotonic() - begin
        amounts = {key: float(value) for key, value in asdict(meter).items() if value}
        self.artifacts[node.name] = artifact
        self.log(TaskFinished(task=node.name, id=id, state=state, seconds=seconds, meter=amounts))
        peak = float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
        actual = {**amounts, "seconds": seconds, "peak_memory": peak} if state == "computed" else {}
        self.records[node.name] = self._record(node, artifact, state, actual)
        if state == "computed":
            task = self.tasks[node.name]
            estimate = {"seconds": task.seconds.likely, "bytes_read": task.cost.reads.likely}
            self.store.catalog.add_estimate(node.verb, node.name, estimate, actual)

    def _call(self, node: Node, out: Path, meter: Meter) -> None:
        """Run the kernel of a node into `out`."""
        slots = dict(node.slots)
        seed = slots.get("seed")
        ctx = Context(
            out=out,
            emit=self.log.task(node.name),
            meter=meter,
            seed=seed,
            threads=self.options.threads,
            device=self.options.device,
        )
        if node.verb == "source.data":
            source = self.sources[node.name]
            digest = self.store.catalog.file_digest
            open_data(source.request, source.facts, base=self.base, out=out, ctx=ctx, digest=digest)  # type: ignore[arg-type]
            return
        verb = find_verb(node.verb)
        assert verb is not None
        inputs, rest = kernel_values(node, verb, self._artifact)
        kernel: Callable[..., None] = importlib.import_module(f"fusec.runtime.kernels.{verb.kernel}").run
        kernel(inputs, rest, ctx)

    def _artifact(self, ref: Ref) -> Artifact:
        whole = self.artifacts[ref.node]
        if not ref.key:
            return whole
        return Artifact(whole.kind, whole.path / ref.key, f"{whole.id}-{ref.key}")

    # --- goals --------------------------------------------------------------------------

    def _check(self) -> tuple[CheckRecord, ...]:
        records = []
        for goal in self.graph.goals:
            if isinstance(goal, Check):
                passed, values = decide(goal.condition, lambda ref: self._artifact(ref).path)
                name = f"{goal.text}: {goal.message}" if goal.message and not passed else goal.text
                self.log(CheckDone(name=name, passed=passed))
                records.append(CheckRecord(name=goal.text, passed=passed, values=values))
        return tuple(records)

    def _publish(self) -> tuple[OutputRecord, ...]:
        records = []
        for goal in self.graph.goals:
            if isinstance(goal, Output) and self.options.publish:
                node = self.graph.nodes[goal.of.node]
                artifact = self._artifact(goal.of)
                done = publish_output(
                    artifact,
                    self.base / Path(goal.to).expanduser(),
                    lineage={"node": node.name, "plan": self.plan.id},
                    catalog=self.store.catalog,
                    finish=card_writer(self.graph, node, self._report_of),
                )
                self.log(OutputPublished(name=str(goal.of)[1:], to=goal.to, root=done.root, state=done.state))
                records.append(
                    OutputRecord(name=str(goal.of)[1:], to=goal.to, id=artifact.id, root=done.root)
                )
            if isinstance(goal, (Output, Keep)):
                self.store.set_ref(f"{Path(self.plan.spec).stem}/{goal.of.node}", self.ids[goal.of.node])
        return tuple(records)

    def _report_of(self, name: str) -> Path | None:
        artifact = self.artifacts.get(name)
        return artifact.path if artifact is not None else None

    # --- the record ---------------------------------------------------------------------------

    def _record(self, node: Node, artifact: Artifact, state: Any, actual: dict[str, float]) -> NodeRecord:
        task, digest = self.tasks[node.name], self.store.digest(artifact.id)
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
            slots=plain_slots(node, self.ids),
            inputs=tuple(_input_id(ref, self.ids) for ref in node.inputs),
            root=digest.root,
            files=digest.files,
            state=state,
            seed=dict(node.slots).get("seed"),
            estimate=estimate,
            actual=actual,
        )

    def _manifest(
        self,
        checks: tuple[CheckRecord, ...],
        outputs: Iterable[OutputRecord],
        closed: bool,
        started: float,
        seconds: float,
    ) -> Manifest:
        import fusec
        from fusec.compiler.lock import encode_lock, make_lock

        lock = make_lock({source.request: source.facts for source in self.plan.sources})
        gate = "open" if not closed else "closed" if self.options.gate else "ignored"
        return Manifest(
            fusec=fusec.__version__,
            run=self.id,
            spec_digest=bytes_digest(self.plan.ir.encode()),
            lock_digest=bytes_digest(encode_lock(lock)),
            plan_digest=self.plan.id,
            params=dict(self.plan.params),
            nodes=tuple(self.records.values()),
            sources=tuple(
                SourceRecord(name=source.name, at=source.facts.uri, pin=source.facts.pin)
                for source in self.plan.sources
            ),
            checks=checks,
            outputs=tuple(outputs),
            grade=self.plan.grade,  # type: ignore[arg-type]
            gate=gate,  # type: ignore[arg-type]
            started=started,
            seconds=seconds,
            environment=describe_environment(self.options.device, self.options.threads),
        )


def kind_of_node(node: Node) -> Kind:
    """The kind of artifact a node gives; a split is data with one folder per part."""
    from fusec.lang.types import kind_of

    kind = kind_of(node.type)
    return "data" if kind == "map" else kind  # type: ignore[return-value]


def _input_id(ref: Ref, ids: Mapping[str, str]) -> str:
    return f"{ids[ref.node]}-{ref.key}" if ref.key else ids[ref.node]
