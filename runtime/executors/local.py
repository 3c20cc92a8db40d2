"""Run a plan in this process: one task after another, each staged, run and published.

The reference for every other executor. What the store has is not computed again; what fails leaves
nothing behind; the manifest is written last.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fusec.compiler.ir import Check, Graph, Keep, Output
from fusec.compiler.passes.reuse import missing
from fusec.compiler.plan import Plan, encode_plan
from fusec.compiler.rowpass import scanned
from fusec.runtime.checks import decide
from fusec.runtime.destinations import destinations
from fusec.runtime.events import (
    CheckDone,
    EventLog,
    OutputPublished,
    RunFinished,
    RunStarted,
)
from fusec.runtime.executors.making import Making
from fusec.runtime.executors.options import Options
from fusec.runtime.extensions import require_packages
from fusec.runtime.kernel import RunError
from fusec.runtime.lineage import card_writer
from fusec.runtime.manifest import (
    CheckRecord,
    Gate,
    Manifest,
    OutputRecord,
    describe_environment,
    write_manifest,
)
from fusec.runtime.metering import Metering
from fusec.runtime.publish import publish_output
from fusec.runtime.record import manifest_of
from fusec.runtime.runs import MANIFEST
from fusec.runtime.sources import require_unchanged
from fusec.runtime.store import Store
from fusec.runtime.trouble import refusals_are_clear


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
        self.places = destinations(self.graph, base, store) if options.publish else {}
        self.id = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"

    def carry_out(self) -> Ran:
        started, begin = time.time(), time.monotonic()
        self.metering = Metering(self.plan, self.options.device, stops=self.options.limits)
        with self.store.run(self.id, self.plan.spec) as folder:
            (folder / "plan").write_bytes(encode_plan(self.plan))
            with EventLog(folder / "events.jsonl", self.options.listeners) as self.log:
                self.making = Making(
                    self.plan,
                    self.graph,
                    self.store,
                    self.base,
                    self.options,
                    self.threads,
                    self.id,
                    self.log,
                    self.metering,
                )
                tasks = len(self.plan.tasks)
                self.log(RunStarted(run=self.id, spec=self.plan.spec, plan=self.plan.id, tasks=tasks))
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
            nodes=[self.making.records[name] for name in self.graph.nodes if name in self.making.records],
            checks=checks,
            outputs=outputs,
            gate=gate,
            started=started,
            seconds=seconds,
            environment=describe_environment(self.options.device, self.threads),
            limits=self.metering.records(),
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
        present = self.making.present()
        everything = "prune_goals" in self.plan.without
        needed = missing(self.graph, self.making.ids, present, everything=everything)
        self._require_counted(needed)
        in_place = scanned(self.graph)
        require_packages(pin for name in needed for pin in self.graph.nodes[name].packages)
        for name, source in self.making.sources.items():
            if name not in needed:
                digest = self.store.catalog.file_digest
                require_unchanged(source.request, source.facts, base=self.base, digest=digest)
        for name, node in self.graph.nodes.items():
            if node.verb in ("source.model", "source.delta", "source.tokenizer"):
                if name in needed:
                    self.making.artifacts[name] = self.making.open(node, needed)
            elif name in needed:
                if name not in self.making.records:
                    self.making.compute([self.graph.nodes[one] for one in self._with(name) if one in needed])
            elif self.making.ids[name] in present and name not in in_place:
                self.making.reuse(node)

    def _require_counted(self, needed: Collection[str]) -> None:
        """A budget holds for what its plan has counted, so a result that was there then has to be there."""
        states = {task.name: task.state for task in self.plan.tasks}
        lost = [name for name in self.graph.nodes if name in needed and states[name] == "stored"]
        if lost and self.plan.limits and self.options.limits:
            raise RunError(
                f"`{lost[0]}` left the store since {self.plan.spec} was planned, and its budget counts on it",
                hint="plan again: the results that are there count, and the others are priced",
            )

    def _with(self, name: str) -> tuple[str, ...]:
        """The nodes that are done at once with one of them."""
        return next((names for names in self.plan.scans if name in names), (name,))

    # --- goals --------------------------------------------------------------------------

    def _check(self) -> tuple[CheckRecord, ...]:
        records = []
        for goal in self.graph.goals:
            if isinstance(goal, Check):
                try:
                    passed, values = decide(goal.condition, lambda ref: self.making.artifact(ref).path)
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
                artifact = self.making.artifact(goal.of)
                done = publish_output(
                    artifact,
                    self.places[goal],
                    lineage={"node": node.name, "plan": self.plan.id},
                    catalog=self.store.catalog,
                    finish=card_writer(self.graph, node, self._report_of, self._licences()),
                    fresh=self.making.has_made(node),
                )
                self.log(OutputPublished(name=str(goal.of)[1:], to=goal.to, root=done.root, state=done.state))
                records.append(
                    OutputRecord(name=str(goal.of)[1:], to=goal.to, id=artifact.id, root=done.root)
                )
            if isinstance(goal, (Output, Keep)):
                self.store.set_ref(
                    f"{Path(self.plan.spec).stem}/{goal.of.node}", self.making.ids[goal.of.node]
                )
        return tuple(records)

    def _licences(self) -> dict[str, str]:
        return {name: source.licence for name, source in self.making.sources.items() if source.licence}

    def _report_of(self, name: str) -> Path | None:
        artifact = self.making.artifacts.get(name)
        return artifact.path if artifact is not None else None
