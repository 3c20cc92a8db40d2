"""Whether a plan keeps within the budget block, and if not, where it goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusec.compiler.cost import Range
from fusec.compiler.typed import Limit, Typed
from fusec.lang.codes.fuse301_over_budget import OverBudget
from fusec.lang.diagnostics import Diagnostic
from fusec.lang.units import Dimension, quantity_text

if TYPE_CHECKING:
    from fusec.compiler.plan import Plan, Task


def over_budget(typed: Typed, plan: Plan) -> tuple[Diagnostic, ...]:
    """One FUSE301 per limit that the likely amounts exceed, with the biggest spenders."""
    limits = {limit.name: limit for limit in typed.limits}
    return tuple(
        _message(limits[found.name], found.planned, plan)
        for found in plan.limits
        if found.planned > found.limit
    )


def amount_of(task: Task, limit: str) -> Range:
    """What one task uses of a limit, in its base unit."""
    if limit == "wall":
        return task.seconds
    amount: Range = getattr(task.cost, limit)
    return amount


def _message(limit: Limit, planned: float, plan: Plan) -> Diagnostic:
    unit: Dimension = "Time" if limit.name == "wall" else "Size"

    def text(value: float) -> str:
        return quantity_text(value if unit == "Time" else int(value), unit)

    spenders = sorted(
        ((amount_of(task, limit.name), task) for task in plan.tasks), key=lambda item: -item[0].likely
    )
    rows = tuple(
        (task.name, text(amount.likely), f"{amount.likely / planned:.0%}", _spread(amount, text))
        for amount, task in spenders[:4]
        if amount.likely > 0
    )
    return OverBudget(
        at=limit.at, limit=limit.name, needs=text(planned), allows=str(limit.value), spenders=rows
    )


def _spread(amount: Range, text: object) -> str:
    assert callable(text)
    return "" if amount.low == amount.high else f"(estimate {text(amount.low)} .. {text(amount.high)})"
