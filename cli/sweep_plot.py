"""What changes with a swept parameter, as bars in a terminal and as curves in a picture."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from fusec.cli.amounts import share_text, size_text, time_text
from fusec.cli.charts.curve import Axis, Dot, curve
from fusec.cli.charts.spark import bar
from fusec.cli.charts.svg import Drawing, beside
from fusec.cli.columns import columns
from fusec.compiler.cost import Range, exactly
from fusec.compiler.plan import Plan
from fusec.lang.units import UNITS, parse_number, quantity_text

MOST_BAR, LEAST_BAR, MOST_LINES = 30, 6, 40
PANEL_WIDTH, PANEL_HEIGHT = 470.0, 230.0
_NUMBER = re.compile(r"(\d[\d_]*(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*([A-Za-z%/-]*)")


class Measure(NamedTuple):
    """One amount for each value of the parameter; `text` writes it for people."""

    name: str
    amounts: tuple[Range, ...]
    text: Callable[[float], str]
    time: bool = False


def measures(plans: Sequence[Plan]) -> list[Measure]:
    """Reads, time, price and error, as far as all plans have them and they are not all the same."""
    new = [[task for task in plan.tasks if task.state == "new"] for plan in plans]
    found = [
        Measure("reads", tuple(sum((t.cost.reads for t in tasks), Range()) for tasks in new), size_text),
        Measure("time", tuple(plan.wall for plan in plans), time_text, time=True),
    ]
    target = plans[0].target
    if target is not None and all(task.money is not None for tasks in new for task in tasks):
        prices = tuple(sum((t.money for t in tasks if t.money is not None), Range()) for tasks in new)
        found.append(Measure("price", prices, lambda value: quantity_text(value, "Money", target.currency)))
    errors = [worst_error(plan) for plan in plans]
    known = tuple(exactly(error) for error in errors if error is not None)
    if len(known) == len(errors):
        found.append(Measure("error", known, share_text))
    return [measure for measure in found if len({amount.likely for amount in measure.amounts}) > 1]


def worst_error(plan: Plan) -> float | None:
    """The most that a merge under a budget leaves undone, as a share of its change."""
    reads = [task.reads for task in plan.tasks if task.state == "new" and task.reads is not None]
    return max((found.certificate.of_update for found in reads), default=None)


def sweep_bars(name: str, values: Sequence[str], plans: Sequence[Plan], *, width: int, plain: bool) -> str:
    """A line of bars for each value, for `MOST_LINES` of them at most; empty where nothing changes."""
    found = measures(plans)
    if not found:
        return ""
    widest = max(len(name), *map(len, values))
    room = max(min((width - 2 - widest) // len(found) - 2, MOST_BAR), LEAST_BAR)
    most = [max(amount.likely for amount in measure.amounts) for measure in found]
    heads = [f"{m.name} to {m.text(top)}" for m, top in zip(found, most, strict=True)]
    lines = [(name, *heads)]
    steps = min(len(values), MOST_LINES)
    for at in [round(step * (len(values) - 1) / max(steps - 1, 1)) for step in range(steps)]:
        shares = (m.amounts[at].likely / top for m, top in zip(found, most, strict=True))
        lines.append((values[at], *(bar(share, room, plain=plain).ljust(room) for share in shares)))
    return columns(lines, right=(0,))


def sweep_drawing(name: str, values: Sequence[str], plans: Sequence[Plan]) -> Drawing:
    """A curve for each amount that changes, or for time where none does."""
    every = measures(plans) or [
        Measure("time", tuple(plan.wall for plan in plans), time_text, time=True),
    ]
    places = _places(values)
    across = Axis(name, _text_like(values[0]), named=() if places else values)
    numbers = places or [float(at) for at in range(len(values))]
    panels = []
    for measure in every:
        dots = [
            Dot(x, amount.likely, amount.low, amount.high, f"{name} {value}: {measure.text(amount.likely)}")
            for x, value, amount in zip(numbers, values, measure.amounts, strict=True)
        ]
        dots.sort(key=lambda dot: dot.x)
        said = ", ".join(dot.about for dot in dots)
        title = f"{measure.name} by {name}"
        up = Axis(measure.name, measure.text, measure.time)
        panels.append(curve(dots, across, up, title=title, desc=said, width=PANEL_WIDTH, height=PANEL_HEIGHT))
    desc = ". ".join(f"{panel.title}: {panel.desc}" for panel in panels)
    return beside(panels, title=f"What {name} costs", desc=desc)


def _places(values: Sequence[str]) -> list[float]:
    """The values as amounts of one dimension, none of them where one is something else."""
    amounts, kinds = [], set()
    for value in values:
        match = _NUMBER.fullmatch(value)
        unit = UNITS.get(match[2]) if match else None
        if match is None or (match[2] and unit is None):
            return []
        number = parse_number(match[1])
        amounts.append(float(unit.base(number)) if unit is not None else float(number))
        kinds.add(unit and (unit.dimension, unit.kind))
    return amounts if len(kinds) == 1 else []


def _text_like(value: str) -> Callable[[float], str]:
    """How amounts with the unit of a value are written."""
    match = _NUMBER.fullmatch(value)
    unit = UNITS.get(match[2]) if match else None
    if unit is None:
        return lambda amount: f"{amount:g}"
    return lambda amount: quantity_text(
        int(amount) if unit.dimension in ("Size", "Count") else amount, unit.dimension, unit.kind
    )
