"""Whether a plan keeps within the budget block, and if not, where it goes and what would fit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from fusec.compiler.addresses import without_keys
from fusec.compiler.cost import Cost, Range
from fusec.compiler.typed import Limit, Typed, TypedStep
from fusec.lang.codes.fuse301_over_budget import OverBudget
from fusec.lang.codes.fuse307_no_effect import NoEffect
from fusec.lang.diagnostics import Diagnostic
from fusec.lang.units import UNITS, quantity_text

if TYPE_CHECKING:
    from fusec.compiler.plan import Plan, PlannedLimit, Task
    from fusec.compiler.remedies import Remedies

USES = {
    "expert_reads": "weights of experts",
    "teacher": "tokens of a teacher",
    "gpu": "a GPU",
}
"""Limits that only some steps can reach, and what those steps use."""

_DIMENSION = {unit.kind: unit.dimension for unit in UNITS.values()}
_MOST_SPENDERS = 4
_TIMED = ("wall", "gpu", "cost")


def over_budget(typed: Typed, plan: Plan, remedies: Remedies | None = None) -> tuple[Diagnostic, ...]:
    """One FUSE301 per limit that the likely amounts exceed, with the biggest spenders and what would fit.

    What a step takes that fits nowhere on a target, nobody knows: of time and money nothing is said then.
    """
    limits = {limit.name: limit for limit in typed.limits}
    homeless = plan.target is not None and any(
        task.state == "new" and task.place is None for task in plan.tasks
    )
    return tuple(
        _message(typed, limits[found.name], found, plan, remedies)
        for found in plan.limits
        if found.planned > found.limit and not (homeless and found.name in _TIMED)
    )


def without_effect(limits: Iterable[Limit], steps: Iterable[TypedStep]) -> tuple[Diagnostic, ...]:
    """One FUSE307 per limit that no step of a spec can reach."""
    found = list(steps)
    return tuple(
        NoEffect(at=limit.at, limit=limit.name, uses=USES[limit.name])
        for limit in limits
        if limit.name in USES and not any(_can_use(step, limit.name) for step in found)
    )


def _can_use(typed: TypedStep, limit: str) -> bool:
    if limit == "gpu":
        asks = typed.step.resources
        return asks.name == "gpus" if asks is not None else typed.step.on_gpu
    amount: Range = getattr(typed.step.cost(typed.type), limit)
    return amount.high > 0


def amount_of(task: Task, limit: str) -> Range:
    """What one task uses of a limit, in its base unit."""
    match limit:
        case "wall":
            return task.seconds
        case "gpu":
            return task.gpu_hours
        case "cost":
            return task.money or Range()
    assert limit in Cost.__struct_fields__
    amount: Range = getattr(task.cost, limit)
    return amount


def amount_text(value: float, unit: str) -> str:
    """An amount for people; `unit` is the kind of its measure: "B", "s", "gpu-hours", "USD", "tokens"."""
    dimension = _DIMENSION[unit]
    return quantity_text(int(value) if dimension in ("Size", "Count") else value, dimension, unit)


def _message(
    typed: Typed, limit: Limit, found: PlannedLimit, plan: Plan, remedies: Remedies | None
) -> Diagnostic:
    spenders = sorted(_spenders(typed, plan, limit.name), key=lambda item: -item[1].likely)
    top = [item for item in spenders[:_MOST_SPENDERS] if item[1].likely > 0]
    rest = sum(amount.likely for _, amount, _ in spenders[len(top) :])
    whole = sum(amount.likely for _, amount, _ in spenders)  # more than the need where steps run at once
    rows = [
        (name, found.text(amount.likely), f"{amount.likely / whole:.0%}", _note(steps, amount, found))
        for name, amount, steps in top
    ]
    if rest > 0:
        rows.append(("others", found.text(rest), f"{rest / whole:.0%}", ""))
    names = [step.name for _, _, steps in top for step in steps]
    return OverBudget(
        at=limit.at,
        limit=limit.name,
        needs=found.text(found.planned),
        allows=str(limit.value),
        spenders=tuple(rows),
        ways=remedies.ways(found, names) if remedies is not None else (),
        analysis=(found.unknown.command, amount_text(found.unknown.bytes, "B")) if found.unknown else None,
    )


def _spenders(typed: Typed, plan: Plan, limit: str) -> list[tuple[str, Range, Sequence[TypedStep]]]:
    """What each declaration uses of a limit; the members of a family stand at one place and count as one."""
    groups: dict[object, list[Task]] = {}
    for task in plan.tasks:
        step = typed.steps[task.name]
        groups.setdefault((step.at.source, step.at.start, step.at.end), []).append(task)
    found: list[tuple[str, Range, Sequence[TypedStep]]] = []
    for tasks in groups.values():
        name = tasks[0].name if len(tasks) == 1 else without_keys(tasks[0].name)
        amount = sum((amount_of(task, limit) for task in tasks), Range())
        found.append((name, amount, [typed.steps[task.name] for task in tasks]))
    return found


def _note(steps: Sequence[TypedStep], amount: Range, limit: PlannedLimit) -> str:
    """Where a spender stands, how many it is, and how sure its amount is."""
    position = steps[0].at
    words = [f"{position.source.name}:{position.position.line}"]
    if len(steps) > 1:
        words.append(f"{len(steps)} x {limit.text(amount.likely / len(steps))}")
    if amount.low != amount.high:
        low, high = limit.text(amount.low), limit.text(amount.high)
        unit = " " + high.rpartition(" ")[2]
        short = low.removesuffix(unit) if (low + high).count(" ") == 2 else low  # "1 min 59 s" has two
        words.append(f"(estimate {short} .. {high})")
    return "   ".join(words)
