"""Run a plan in this process: one task after another, each staged, run and published.

The reference for every other executor. What the store has is not computed again; what fails leaves
nothing behind; the manifest is written last.
"""

from __future__ import annotations

import importlib
import os
import secrets
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from fusec.compiler.identity import graph_ids
from fusec.compiler.ir import Check, Graph, Keep, Node, Output, Ref
from fusec.compiler.passes.reuse import missing
from fusec.compiler.plan import Plan, PlannedSource, Task, encode_plan
from fusec.compiler.reads.limits import has_budget
from fusec.compiler.step import find_verb
from fusec.runtime.analysis.columns_store import ColumnsStore
from fusec.runtime.checks import decide
from fusec.runtime.destinations import destinations
from fusec.runtime.earlier_reads import earlier_reads
from fusec.runtime.events import (
    CheckDone,
    EventLog,
    Listener,
    OutputPublished,
    RunFinished,
    RunStarted,
    TaskFailed,
    TaskFinished,
    TaskRetried,
    TaskStarted,
    TaskWaiting,
)
from fusec.runtime.extensions import packages_are_named, require_packages
from fusec.runtime.kernel import Artifact, Context, Kind, Meter, RunError
from fusec.runtime.lineage import card_writer
from fusec.runtime.manifest import (
    CheckRecord,
    Gate,
    Manifest,
    NodeRecord,
    OutputRecord,
    describe_environment,
    write_manifest,
)
from fusec.runtime.memory import PeakMemory
from fusec.runtime.publish import publish_output
from fusec.runtime.reading_now import Decided, decide_reads
from fusec.runtime.recipes import remember
from fusec.runtime.record import manifest_of, node_record
from fusec.runtime.runs import MANIFEST
from fusec.runtime.sealed import is_sealed
from fusec.runtime.sources import open_data, open_model, open_tokenizer, require_unchanged
from fusec.runtime.store import Store
from fusec.runtime.trouble import may_pass, refusals_are_clear
from fusec.runtime.values import kernel_values


@dataclass(frozen=True)
class Options:
    """How to run: nothing here changes the bytes of an `exact` result.

    Without `threads` a run uses the processors of the plan's target, or all of this machine. With `analyze`,
    merges that read their models whole tell the catalog what is in them. With `by_blocks`, experts of which a
    plan names the blocks are checked by those blocks alone.
    """

    threads: int | None = None
    device: str = "cpu"
    gate: bool = True
    publish: bool = True
    by_blocks: bool = False
    analyze: bool = False
    listeners: tuple[Listener, ...] = ()


State = Literal["computed", "reused"]


@dataclass(frozen=True)
class Tries:
    """What several tasks that were tried at once came to, by name."""

    made: dict[str, tuple[Artifact, State]] = field(default_factory=dict)
    failed: dict[str, RunError] = field(default_factory=dict)


@dataclass(frozen=True)
class Ran:
    """A finished run: its manifest, where it lies, and the folder of every published output."""

    manifest: Manifest
    path: Path
    closed: bool


def run_plan(plan: Plan, store: Store, base: Path, options: Options | None = None) -> Ran:
    """Carry out `plan`; relative paths in it start at `base`, the folder of the spec.

    Raises `RunError` when an output has no good place or a task fails; results finished before stay in the
    store.
    """
    options = options or Options()
    require_device(options.device)
    if plan.target is not None:
        require_here(plan.target.name, plan.target.kind)
    with refusals_are_clear(f"the run of {plan.spec} stopped"):
        return _Run(plan, store, base, options).carry_out()


def require_device(device: str) -> None:
    """Raises `RunError` when this machine has no such device; "cpu" is everywhere."""
    if device == "cpu":
        return
    import torch

    if not torch.cuda.is_available():
        raise RunError(
            f"FUSE503: there is no {device} device on this machine", hint="run with `--device cpu`"
        )


def require_here(target: str, kind: str) -> None:
    """Raises `RunError` when a plan is for another machine than this."""
    if kind != "local":
        raise RunError(
            f"`{target}` is a {kind} cluster, and this version of fusec runs plans on one machine only",
            hint="`fusec plan` can place and price it there; run it without that target",
        )


def threads_of(plan: Plan, options: Options) -> int:
    """How many threads a run may use. Raises `RunError` when the options exceed the target."""
    target, asked = plan.target, options.threads
    most = target.cpus if target is not None else None
    if asked is not None and target is not None and most is not None and asked > most:
        raise RunError(
            f"{asked} threads were asked for, and the target `{target.name}` has {most} processors",
            hint="ask for fewer, or give the target more `cpus`",
        )
    return asked or most or os.cpu_count() or 1


class _Run:
    """The state of one run."""

    def __init__(self, plan: Plan, store: Store, base: Path, options: Options) -> None:
        self.plan, self.store, self.base, self.options = plan, store, base, options
        self.threads = threads_of(plan, options)
        self.graph: Graph = plan.graph()
        self.ids = graph_ids(self.graph)
        self.tasks: Mapping[str, Task] = {task.name: task for task in plan.tasks}
        self.sources: Mapping[str, PlannedSource] = {source.name: source for source in plan.sources}
        self.artifacts: dict[str, Artifact] = {}
        self.records: dict[str, NodeRecord] = {}
        self.decided: dict[str, Decided] = {}
        self.places = destinations(self.graph, base, store) if options.publish else {}
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
                gate: Gate = "open" if not closed else "closed" if self.options.gate else "ignored"
                ran = self._write_down(folder, checks, outputs, gate, started, time.monotonic() - begin)
            state: Literal["done", "closed"] = "closed" if ran.closed else "done"
            place = ran.path.relative_to(self.store.root).as_posix()
            self.store.catalog.finish_run(self.id, state, ran.manifest.seconds, place)
        return ran

    def _write_down(
        self,
        folder: Path,
        checks: tuple[CheckRecord, ...],
        outputs: tuple[OutputRecord, ...],
        gate: Gate,
        started: float,
        seconds: float,
    ) -> Ran:
        """The manifest, written when all that it names is there, and the last event."""
        manifest = manifest_of(
            self.plan,
            run=self.id,
            nodes=[self.records[name] for name in self.graph.nodes if name in self.records],
            checks=checks,
            outputs=outputs,
            gate=gate,
            started=started,
            seconds=seconds,
            environment=describe_environment(self.options.device, self.threads),
        )
        path = folder / MANIFEST
        ran = Ran(write_manifest(path, manifest), path, closed=gate == "closed")
        self.log(
            RunFinished(
                run=self.id,
                state="closed" if ran.closed else "done",
                seconds=seconds,
                manifest=os.path.relpath(path, self.base),
            )
        )
        return ran

    def _say_end(self, error: BaseException, seconds: float) -> None:
        with suppress(RunError):  # on a full disk there is no place for the last word either
            state: Literal["failed", "interrupted"]
            state = "failed" if isinstance(error, Exception) else "interrupted"
            self.log(RunFinished(run=self.id, state=state, seconds=seconds))

    # --- tasks ------------------------------------------------------------------

    def _work(self) -> None:
        """Compute what is missing, in the order of the graph; tell what is there already."""
        present = {id for id in self.ids.values() if self.store.has(id)}
        needed = missing(self.graph, self.ids, present)
        require_packages(pin for name in needed for pin in self.graph.nodes[name].packages)
        for name, source in self.sources.items():
            if name not in needed:
                digest = self.store.catalog.file_digest
                require_unchanged(source.request, source.facts, base=self.base, digest=digest)
        for name, node in self.graph.nodes.items():
            if node.verb in ("source.model", "source.delta", "source.tokenizer"):
                if name in needed:
                    self.artifacts[name] = self._open(node, needed)
            elif name in needed:
                if name not in self.records:
                    self._compute_all([self.graph.nodes[one] for one in self._with(name) if one in needed])
            elif self.ids[name] in present:
                self._reuse(node)

    def _open(self, node: Node, needed: Collection[str]) -> Artifact:
        source = self.sources[node.name]
        if node.verb == "source.tokenizer":
            path = open_tokenizer(source.request, source.facts, base=self.base, cache=self.store.remote)  # type: ignore[arg-type]
            return Artifact("tokenizer", path, self.ids[node.name])
        path = open_model(
            source.request,
            source.facts,  # type: ignore[arg-type]
            base=self.base,
            digest=self.store.catalog.file_digest,
            cache=self.store.remote,
            whole=reads_whole(self.graph, node.name, needed),
            sealed=self.options.by_blocks and is_sealed(self.graph, node.name, needed, self.tasks),
        )
        return Artifact(kind_of_node(node), path, self.ids[node.name])

    def _reuse(self, node: Node) -> None:
        artifact = self.store.get(self.ids[node.name])
        assert artifact is not None
        self.artifacts[node.name] = artifact
        self.log(TaskFinished(task=node.name, id=artifact.id, state="reused", seconds=0.0))
        self.records[node.name] = self._record(node, artifact, "reused", {})

    def _with(self, name: str) -> tuple[str, ...]:
        """The nodes that are done at once with one of them."""
        return next((names for names in self.plan.scans if name in names), (name,))

    def _compute_all(self, nodes: Sequence[Node]) -> None:
        """Compute one node, or the merges of one scan; a failure of one leaves the others' results."""
        begin, memory, first = time.monotonic(), PeakMemory(), Tries()
        meters = {node.name: Meter() for node in nodes}
        for node in nodes:
            self.log(TaskStarted(task=node.name, verb=node.verb, id=self.ids[node.name]))
        if len(nodes) > 1:
            first = self._attempt_together(nodes, meters)
        # Those that share a scan share its time.
        passed = (time.monotonic() - begin) / len(nodes)
        failures = []
        for node in sorted(nodes, key=lambda node: node.name in first.failed):
            began = time.monotonic()
            try:
                artifact, state, retries = self._insist(node, meters[node.name], first)
            except RunError as error:
                failures.append(error)
                continue
            seconds = passed + time.monotonic() - began
            self._finish(node, artifact, state, meters[node.name], seconds, memory.bytes(), retries)
        if failures:
            raise failures[0]

    def _insist(self, node: Node, meter: Meter, first: Tries) -> tuple[Artifact, State, int]:
        """A result with its retries: what a first try came to, or else as many tries as the task has."""
        if node.name in first.made:
            return (*first.made[node.name], 0)
        failed, retries = first.failed.get(node.name), 0
        while True:
            try:
                if failed is not None:
                    raise failed
                return (*self._attempt(node, meter), retries)
            except RunError as error:
                failed = None
                if retries == self.tasks[node.name].retries or not may_pass(error):
                    self.log(TaskFailed(task=node.name, what=error.what, hint=error.hint))
                    raise
                retries += 1
                self.log(TaskRetried(task=node.name, attempt=retries + 1, what=error.what))

    def _finish(
        self,
        node: Node,
        artifact: Artifact,
        state: State,
        meter: Meter,
        seconds: float,
        peak: float | None,
        retries: int,
    ) -> None:
        amounts = {key: float(value) for key, value in asdict(meter).items() if value}
        self.artifacts[node.name] = artifact
        self.log(TaskFinished(task=node.name, id=artifact.id, state=state, seconds=seconds, meter=amounts))
        actual: dict[str, float] = {}
        if state == "computed":
            actual = {**amounts, "seconds": seconds} | ({} if peak is None else {"peak_memory": peak})
            if retries:
                actual["retries"] = retries
        self.records[node.name] = self._record(node, artifact, state, actual)
        if state == "computed":
            task = self.tasks[node.name]
            estimate = {"seconds": task.seconds.likely, "bytes_read": task.cost.reads.likely}
            self.store.catalog.add_estimate(node.verb, self.options.device, estimate, actual)

    def _attempt(self, node: Node, meter: Meter) -> tuple[Artifact, State]:
        """Make one result and publish it. `meter` counts what every attempt used, failed ones too."""
        with refusals_are_clear(f"`{node.name}` failed"), self._stage(node) as out:
            made = self.store.get(self.ids[node.name])  # another process may have made it meanwhile
            if made is not None:
                return made, "reused"
            self._call(node, out, meter)
            return self._keep(node, out), "computed"

    def _attempt_together(self, nodes: Sequence[Node], meters: Mapping[str, Meter]) -> Tries:
        """The same for merges that read together. Leases are taken by identity, so that no two runs wait
        for each other."""
        tries = Tries()
        try:
            with refusals_are_clear(f"`{nodes[0].name}` failed"), ExitStack() as stack:
                by_id = sorted(nodes, key=lambda node: self.ids[node.name])
                outs = {node.name: stack.enter_context(self._stage(node)) for node in by_id}
                left = []
                for node in nodes:
                    made = self.store.get(self.ids[node.name])
                    if made is None:
                        left.append(node)
                    else:
                        tries.made[node.name] = made, "reused"
                errors = self._merge(left, outs, meters)
                for node, error in zip(left, errors, strict=True):
                    if error is None:
                        tries.made[node.name] = self._keep(node, outs[node.name]), "computed"
                    else:
                        tries.failed[node.name] = error
        except RunError as error:
            unmade = (node.name for node in nodes if node.name not in tries.made)
            tries.failed.update(dict.fromkeys(unmade, error) | tries.failed)
        return tries

    def _stage(self, node: Node) -> AbstractContextManager[Path]:
        def waiting(pid: int) -> None:
            self.log(TaskWaiting(task=node.name, pid=pid))

        return self.store.stage(self.ids[node.name], waiting)

    def _keep(self, node: Node, out: Path) -> Artifact:
        """Publish a result, and note what a merged model was made from."""
        id = self.ids[node.name]
        artifact = self.store.publish(kind_of_node(node), id, out, run=self.id)
        decided = self.decided.get(node.name)
        if decided is not None and decided.recipes is not None:
            remember(ColumnsStore(self.store.catalog), artifact, decided.merge, decided.recipes)
        return artifact

    def _merge(
        self, nodes: Sequence[Node], outs: Mapping[str, Path], meters: Mapping[str, Meter]
    ) -> tuple[RunError | None, ...]:
        """Merge into `outs` in one scan, with an analysis if that is asked for and finds news."""
        from fusec.runtime.kernels.merge.together import Member, run_together
        from fusec.runtime.measuring_along import merge_and_measure

        if not nodes:
            return ()
        verb = find_verb("merge")
        assert verb is not None
        members = []
        for node in nodes:
            ctx = self._context(node, outs[node.name], meters[node.name])
            members.append(Member(*kernel_values(node, verb, self._artifact), ctx))
        if not self.options.analyze:
            return run_together(members)
        columns = ColumnsStore(self.store.catalog)
        return merge_and_measure(columns, self.decided[nodes[0].name], members)

    def _context(self, node: Node, out: Path, meter: Meter) -> Context:
        return Context(
            out=out,
            emit=self.log.task(node.name),
            meter=meter,
            seed=dict(node.slots).get("seed"),
            threads=self.threads,
            device=self.options.device,
            reads=self._decide_reads(node, meter).reads if node.verb == "merge" else None,
        )

    def _call(self, node: Node, out: Path, meter: Meter) -> None:
        """Run the kernel of a node into `out`."""
        if node.verb == "merge" and self.options.analyze:
            with packages_are_named(node):
                (error,) = self._merge([node], {node.name: out}, {node.name: meter})
            if error is not None:
                raise error
            return
        ctx = self._context(node, out, meter)
        if node.verb == "source.data":
            source = self.sources[node.name]
            digest = self.store.catalog.file_digest
            open_data(source.request, source.facts, base=self.base, out=out, ctx=ctx, digest=digest)  # type: ignore[arg-type]
            return
        verb = find_verb(node.verb)
        assert verb is not None
        inputs, rest = kernel_values(node, verb, self._artifact)
        module = verb.kernel if verb.package is not None else f"fusec.runtime.kernels.{verb.kernel}"
        with packages_are_named(node):
            kernel: Callable[..., None] = importlib.import_module(module).run
            kernel(inputs, rest, ctx)

    def _decide_reads(self, node: Node, meter: Meter) -> Decided:
        """What a merge reads of its experts."""
        decided = decide_reads(
            node,
            self.tasks[node.name].reads,
            ColumnsStore(self.store.catalog),
            self._artifact,
            self.store.root / "objects",
            meter,
            self.threads,
        )
        self.decided[node.name] = decided
        return decided

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
                try:
                    passed, values = decide(goal.condition, lambda ref: self._artifact(ref).path)
                except ZeroDivisionError:
                    raise RunError(
                        f"the check `{goal.text}` divides by zero, so it has no verdict",
                        hint="compare without the division: `a / b > c` is `a > c * b` where b is positive",
                    ) from None
                name = f"{goal.text}: {goal.message}" if goal.message and not passed else goal.text
                self.log(CheckDone(name=name, passed=passed, values=values))
                records.append(CheckRecord(name=goal.text, passed=passed, values=values))
        return tuple(records)

    def _publish(self) -> tuple[OutputRecord, ...]:
        records = []
        for goal in self.graph.goals:
            if isinstance(goal, Output) and goal in self.places:
                node = self.graph.nodes[goal.of.node]
                artifact = self._artifact(goal.of)
                done = publish_output(
                    artifact,
                    self.places[goal],
                    lineage={"node": node.name, "plan": self.plan.id},
                    catalog=self.store.catalog,
                    finish=card_writer(self.graph, node, self._report_of, self._licences()),
                    fresh=node.name in self.records and self.records[node.name].state == "computed",
                )
                self.log(OutputPublished(name=str(goal.of)[1:], to=goal.to, root=done.root, state=done.state))
                records.append(
                    OutputRecord(name=str(goal.of)[1:], to=goal.to, id=artifact.id, root=done.root)
                )
            if isinstance(goal, (Output, Keep)):
                self.store.set_ref(f"{Path(self.plan.spec).stem}/{goal.of.node}", self.ids[goal.of.node])
        return tuple(records)

    def _licences(self) -> dict[str, str]:
        return {name: source.licence for name, source in self.sources.items() if source.licence}

    def _report_of(self, name: str) -> Path | None:
        artifact = self.artifacts.get(name)
        return artifact.path if artifact is not None else None

    def _record(
        self,
        node: Node,
        artifact: Artifact,
        state: Literal["computed", "reused"],
        actual: Mapping[str, float],
    ) -> NodeRecord:
        digest, decided = self.store.digest(artifact.id), self.decided.get(node.name)
        reads = decided.planned if decided else None
        if decided is None and has_budget(node):
            reads = earlier_reads(self.store, artifact.id)
        return node_record(
            node,
            self.tasks[node.name],
            artifact,
            digest,
            self.ids,
            state,
            actual,
            reads,
        )


IN_RANGES = ("merge", "task_vector")
"""Verbs that read weights in ranges, so that what lies elsewhere can stay there."""


def reads_whole(graph: Graph, source: str, needed: Collection[str]) -> bool:
    """Whether anything that will be done needs the files of a source, and not only ranges of them."""
    for name in needed:
        node = graph.nodes[name]
        if node.verb not in IN_RANGES and any(ref.node == source for ref in node.inputs):
            return True
    return any(isinstance(goal, Output) and goal.of.node == source for goal in graph.goals)


def kind_of_node(node: Node) -> Kind:
    """The kind of artifact a node gives; a split is data with one folder per part."""
    from fusec.lang.types import kind_of

    kind = kind_of(node.type)
    return "data" if kind == "map" else kind  # type: ignore[return-value]
