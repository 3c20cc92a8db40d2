"""Make the results of a plan's tasks: each staged, computed and published, tried again where that may help.

Merges that share a scan are made together; each of them still has its own stage, meter and events.
"""

from __future__ import annotations

import importlib
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from fusec.compiler.identity import PASS, graph_ids
from fusec.compiler.ir import Graph, Node, Output, Ref
from fusec.compiler.plan import Plan, PlannedSource, Task
from fusec.compiler.reads.limits import has_budget
from fusec.compiler.step import find_verb
from fusec.runtime.analysis.columns_store import ColumnsStore
from fusec.runtime.cost_history import Loads
from fusec.runtime.cost_history import remember as remember_costs
from fusec.runtime.earlier_reads import earlier_reads
from fusec.runtime.events import EventLog, TaskFailed, TaskFinished, TaskRetried, TaskStarted, TaskWaiting
from fusec.runtime.executors.options import Options
from fusec.runtime.extensions import packages_are_named
from fusec.runtime.kernel import Artifact, Context, Kind, Meter, RunError
from fusec.runtime.manifest import NodeRecord
from fusec.runtime.memory import PeakMemory
from fusec.runtime.metering import Metering
from fusec.runtime.reading_now import Decided, decide_reads
from fusec.runtime.recipes import remember
from fusec.runtime.record import node_record
from fusec.runtime.sealed import is_sealed
from fusec.runtime.sources import open_data, open_model, open_tokenizer
from fusec.runtime.store import Store
from fusec.runtime.trouble import may_pass, refusals_are_clear
from fusec.runtime.values import kernel_values

State = Literal["computed", "reused"]


@dataclass(frozen=True)
class Tries:
    """What several tasks that were tried at once came to, by name."""

    made: dict[str, tuple[Artifact, State]] = field(default_factory=dict)
    failed: dict[str, RunError] = field(default_factory=dict)


class Making:
    """What the tasks of one run have in common; `artifacts` and `records` grow as results come."""

    def __init__(
        self,
        plan: Plan,
        graph: Graph,
        store: Store,
        base: Path,
        options: Options,
        threads: int,
        run: str,
        log: EventLog,
        metering: Metering,
    ) -> None:
        self.graph, self.store, self.base, self.options = graph, store, base, options
        self.threads, self.run, self.log, self.metering = threads, run, log, metering
        self.ids = graph_ids(graph)
        self.again = "reuse" in plan.without
        self.tasks: Mapping[str, Task] = {task.name: task for task in plan.tasks}
        self.sources: Mapping[str, PlannedSource] = {source.name: source for source in plan.sources}
        self.artifacts: dict[str, Artifact] = {}
        self.records: dict[str, NodeRecord] = {}
        self.decided: dict[str, Decided] = {}

    def open(self, node: Node, needed: Collection[str]) -> Artifact:
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

    def present(self) -> set[str]:
        """The identities of what need not be made: nothing, where the plan leaves out `reuse`."""
        return set() if self.again else {id for id in self.ids.values() if self.store.has(id)}

    def has_made(self, node: Node) -> bool:
        """Whether a result was computed in this run, and not taken from the store."""
        record = self.records.get(node.name)
        return record is not None and record.state == "computed"

    def reuse(self, node: Node) -> None:
        artifact = self.store.get(self.ids[node.name])
        assert artifact is not None
        self.artifacts[node.name] = artifact
        self.log(TaskFinished(task=node.name, id=artifact.id, state="reused", seconds=0.0))
        self.records[node.name] = self._record(node, artifact, "reused", {})

    def compute(self, nodes: Sequence[Node]) -> None:
        """Compute one node, or the merges of one scan; a failure of one leaves the others' results.

        Raises `RunError` where that crosses a limit of the budget.
        """
        meters = {node.name: Meter() for node in nodes}
        self.metering.begin(meters)
        try:
            self._compute(nodes, meters)
        finally:
            self.metering.end()
        self.metering.check(nodes[-1].name, finished=True)

    def _compute(self, nodes: Sequence[Node], meters: Mapping[str, Meter]) -> None:
        begin, memory, first, loads = time.monotonic(), PeakMemory(), Tries(), Loads()
        for node in nodes:
            self.log(TaskStarted(task=node.name, verb=node.verb, id=self.ids[node.name]))
        if len(nodes) > 1:
            first = self._attempt_together(nodes, meters)
        # Those that share a scan share its time.
        passed = (time.monotonic() - begin) / len(nodes)
        failures, tried = [], 0
        for node in sorted(nodes, key=lambda node: node.name in first.failed):
            began = time.monotonic()
            try:
                artifact, state, retries = self._insist(node, meters[node.name], first)
            except RunError as error:
                failures.append(error)
                continue
            tried += retries
            seconds = passed + time.monotonic() - began
            self._finish(node, artifact, state, meters[node.name], seconds, memory.bytes(), retries)
        if failures:
            raise failures[0]
        # What was tried again says nothing of how long one try takes.
        if not tried and all(self.has_made(node) for node in nodes):
            self._remember(nodes, time.monotonic() - begin, loads.seconds())

    def _remember(self, nodes: Sequence[Node], seconds: float, loading: float) -> None:
        """Tell later plans what nodes took that were made at once, if this one had expected to make them."""
        if any(self.tasks[node.name].state == "stored" for node in nodes):
            return
        amounts = Counter[str]()
        for node in nodes:
            amounts.update(self.records[node.name].actual)
        actual = {name: float(value) for name, value in amounts.items() if name != "peak_memory"}
        remember_costs(
            self.store.catalog,
            nodes,
            self.tasks,
            device=self.options.device,
            threads=self.threads,
            loading=loading,
            actual={**actual, "seconds": seconds},
        )

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

    def _attempt(self, node: Node, meter: Meter) -> tuple[Artifact, State]:
        """Make one result and publish it. `meter` counts what every attempt used, failed ones too."""
        with refusals_are_clear(f"`{node.name}` failed"), self._stage(node) as out:
            made = self._made(node)  # another process may have made it meanwhile
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
                    made = self._made(node)
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

    def _made(self, node: Node) -> Artifact | None:
        """A result that is there by now. Where the plan leaves out `reuse`, publishing compares with it."""
        return None if self.again else self.store.get(self.ids[node.name])

    def _stage(self, node: Node) -> AbstractContextManager[Path]:
        def waiting(pid: int) -> None:
            self.log(TaskWaiting(task=node.name, pid=pid))

        return self.store.stage(self.ids[node.name], waiting)

    def _keep(self, node: Node, out: Path) -> Artifact:
        """Publish a result, and note what a merged model was made from."""
        id = self.ids[node.name]
        artifact = self.store.publish(kind_of_node(node), id, out, run=self.run)
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
            members.append(Member(*kernel_values(node, verb, self.artifact), ctx))
        if not self.options.analyze:
            return run_together(members)
        columns = ColumnsStore(self.store.catalog)
        return merge_and_measure(columns, self.decided[nodes[0].name], members)

    def _context(self, node: Node, out: Path, meter: Meter) -> Context:
        ctx = Context(
            out=out,
            emit=self.log.task(node.name),
            meter=meter,
            seed=dict(node.slots).get("seed"),
            threads=self.threads,
            device=self.options.device,
            reads=self._decide_reads(node, meter).reads if node.verb == "merge" else None,
        )
        return self.metering.watched(node.name, ctx)

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
        inputs, rest = kernel_values(node, verb, self._opening(node))
        module = verb.kernel if verb.package is not None else f"fusec.runtime.kernels.{verb.kernel}"
        with packages_are_named(node):
            kernel: Callable[..., None] = importlib.import_module(module).run
            kernel(inputs, rest, ctx)

    def _opening(self, node: Node) -> Callable[[Ref], Any]:
        """What a node's references stand for: artifacts, or for a pass the files of a source to scan."""
        if not (node.verb == PASS and node.slot("scan")):
            return self.artifact
        from fusec.runtime.sources.scanning import SourceScan

        source = self.sources[node.slot("data").node]
        scan = SourceScan(
            source.request,
            source.facts,  # type: ignore[arg-type]
            node.slot("columns"),
            base=self.base,
            digest=self.store.catalog.file_digest,
        )
        return lambda ref: scan if ref == node.slot("data") else self.artifact(ref)

    def _decide_reads(self, node: Node, meter: Meter) -> Decided:
        """What a merge reads of its experts."""
        decided = decide_reads(
            node,
            self.tasks[node.name].reads,
            ColumnsStore(self.store.catalog),
            self.artifact,
            self.store.root / "objects",
            meter,
            self.threads,
        )
        self.decided[node.name] = decided
        return decided

    def artifact(self, ref: Ref) -> Artifact:
        whole = self.artifacts[ref.node]
        if not ref.key:
            return whole
        return Artifact(whole.kind, whole.path / ref.key, f"{whole.id}-{ref.key}")

    def _record(
        self,
        node: Node,
        artifact: Artifact,
        state: State,
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
