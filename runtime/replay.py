"""Replay: a run made again from nothing, its results compared by content."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from msgspec import structs

from fusec.compiler.plan import Plan
from fusec.compiler.step import GRADES, Grade
from fusec.lang.codes.fuse406_bytes_differ import BytesDiffer
from fusec.lang.codes.fuse407_environment_differs import EnvironmentDiffers
from fusec.lang.diagnostics import Diagnostic
from fusec.runtime.events import Listener
from fusec.runtime.executors.local import run_plan
from fusec.runtime.executors.options import Options
from fusec.runtime.manifest import Difference, Manifest, compare, load_manifest
from fusec.runtime.runs import place_of
from fusec.runtime.session import read_plan
from fusec.runtime.store import Store


@dataclass(frozen=True)
class Replayed:
    """`equal` counts nodes with the same content, `compared` all nodes, both by grade.

    `problems` say which steps broke a promise of their grade (FUSE406) and how the environment differs
    (FUSE407).
    """

    differences: tuple[Difference, ...]
    equal: Mapping[Grade, int]
    compared: Mapping[Grade, int]
    checks: int
    problems: tuple[Diagnostic, ...] = ()


def replay_run(manifest: Path, base: Path | None = None, listeners: tuple[Listener, ...] = ()) -> Replayed:
    """Run the plan beside `manifest` in an empty store, with as many threads, publishing nothing.

    Every result that the run recorded, and every check with its values, is compared by content. `base` is
    where relative sources start, the folder of the store by default. Sources must be what they were, but of
    an expert under a read budget only the blocks that were read. Raises `RunError` when a task fails.
    """
    place = place_of(manifest)
    before = load_manifest(place.manifest)
    plan = read_plan(place.folder / "plan")
    options = Options(
        threads=before.environment.threads,
        device=before.environment.device,
        gate=False,
        publish=False,
        by_blocks=True,
        limits=False,  # made from nothing, in one go: perhaps more than the run could take from the store
        listeners=listeners,
    )
    with tempfile.TemporaryDirectory(prefix="fusec-replay-") as scratch:
        store = Store(Path(scratch))
        try:
            after = run_plan(_with_reads(plan, before), store, base or place.base, options).manifest
        finally:
            store.close()
    return _compared(before, after)


def _with_reads(plan: Plan, manifest: Manifest) -> Plan:
    """The plan with what merges did read where only the run decided, or an earlier one had."""
    read = {node.id: node.reads for node in manifest.nodes}
    return structs.replace(
        plan,
        tasks=tuple(
            structs.replace(task, reads=task.reads or read.get(task.id), unknown=None) for task in plan.tasks
        ),
    )


def _compared(before: Manifest, after: Manifest) -> Replayed:
    """What the first run did not record (it was reused from further back) has nothing to be compared with."""
    recorded = {node.name for node in before.nodes}
    again = tuple(node for node in after.nodes if node.name in recorded)
    differences = compare(
        structs.replace(before, outputs=()), structs.replace(after, outputs=(), nodes=again)
    )
    differing = {found.name for found in differences if found.where == "node"}
    equal, compared = dict.fromkeys(GRADES, 0), dict.fromkeys(GRADES, 0)
    for node in before.nodes:
        compared[node.grade] += 1
        equal[node.grade] += node.name not in differing
    problems = (*_broken_promises(before, after), *_other_environment(before, after))
    return Replayed(differences, equal, compared, len(before.checks), problems)


def _broken_promises(before: Manifest, after: Manifest) -> Iterator[Diagnostic]:
    """Exact steps with other bytes than before, made from the same bytes as before."""
    roots = {node.id: node.root for node in after.nodes}
    changed = {node.id for node in before.nodes if roots.get(node.id, node.root) != node.root}
    for node in before.nodes:
        made_from = {input.partition("-")[0] for input in node.inputs}
        if node.grade == "exact" and node.id in changed and changed.isdisjoint(made_from):
            yield BytesDiffer(node.name, node.root[:12], roots[node.id][:12])


def _other_environment(before: Manifest, after: Manifest) -> Iterator[Diagnostic]:
    then, now = _environment(before), _environment(after)
    names = [name for name in {**then, **now} if then.get(name) != now.get(name)]
    if names:
        yield EnvironmentDiffers(
            recorded=", ".join(f"{name} {then.get(name, 'absent')}" for name in names),
            found=", ".join(f"{name} {now.get(name, 'absent')}" for name in names),
        )


def _environment(manifest: Manifest) -> dict[str, str]:
    """What bytes may depend on; threads and device are those of the run, or it could not be repeated."""
    found = manifest.environment
    return {"Python": found.python, "system": f"{found.system} {found.machine}", **found.libraries}
