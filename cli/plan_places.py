"""Where each step of a plan goes and when, and which steps decide how long it takes."""

from __future__ import annotations

from collections.abc import Sequence

from fusec.cli.amounts import time_text
from fusec.cli.columns import columns
from fusec.compiler.plan import Plan
from fusec.compiler.rooms import Held
from fusec.compiler.schedule import Span


def places_text(plan: Plan) -> str:
    """A line for each step to compute, in the order they begin; `*` is on the critical path."""
    timed = [(task.when, task) for task in plan.tasks if task.when is not None]
    if not timed:
        return ""
    chain = set(plan.critical_path)
    rows = [("step", "begins", "ends", "where")]
    for when, task in sorted(timed, key=lambda item: item[0].start):
        where = where_text(when, plan.target.name if plan.target is not None else "this machine")
        name = f"{task.name} *" if task.name in chain else task.name
        rows.append((name, time_text(when.start), time_text(when.stop), where))
    critical = sum(when.stop - when.start for when, task in timed if task.name in chain)
    end = max(when.stop for when, _ in timed)
    path = f"  * critical path: {len(chain)} steps, {time_text(critical)}; all of it ends at {time_text(end)}"
    return f"{columns(rows, right=(1, 2))}\n{path}"


def where_text(when: Span, machine: str) -> str:
    """`nodes[0] 1: 8 GPUs`: a node as the target lists its kinds, which of them, and what the step holds."""
    by_node: dict[tuple[int, int], list[Held]] = {}
    for held in when.held:
        by_node.setdefault((held.pool, held.machine), []).append(held)
    return ", ".join(_node(*at, parts) for at, parts in sorted(by_node.items())) or machine


def _node(pool: int, machine: int, parts: Sequence[Held]) -> str:
    gpus = sum(held.gpus for held in parts)
    cpus = sum(held.cpus for held in parts)
    if gpus:
        return f"nodes[{pool}] {machine}: {gpus} GPU{'s' * (gpus > 1)}"
    return f"nodes[{pool}] {machine}: {cpus} CPU{'s' * (cpus > 1)}"
