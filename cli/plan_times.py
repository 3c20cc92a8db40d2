"""When the steps of a plan are expected to run, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fusec.cli.amounts import time_text
from fusec.cli.charts.svg import Drawing
from fusec.cli.charts.timeline import Bar, Lane, timeline
from fusec.cli.plan_places import where_text
from fusec.cli.plan_rows import rows
from fusec.compiler.ir import Graph
from fusec.compiler.plan import Plan, Task

MOST_LANES = 100


class PlanTimeline(NamedTuple):
    """`left_out` counts the lanes that are not drawn: those that take least."""

    drawing: Drawing
    left_out: int


def plan_timeline(plan: Plan, graph: Graph) -> PlanTimeline:
    """A lane for each row of the plan's table that has something to compute; the critical path stands out."""
    path, lanes = set(plan.critical_path), []
    for row in rows(plan, graph):
        bars = [_bar(plan, task, task.name in path) for task in row.tasks if task.when is not None]
        if bars:
            said = time_text(_seconds(bars))
            name = row.node if len(row.tasks) == 1 else f"{row.family} ×{len(row.tasks)}"
            lanes.append(Lane(name, said, bars))
    least = sorted((_seconds(lane.bars) for lane in lanes), reverse=True)[:MOST_LANES][-1:]
    shown = [lane for lane in lanes if _seconds(lane.bars) >= least[0]][:MOST_LANES]
    desc = "; ".join(f"{lane.name} from {time_text(lane.bars[0].start)} on: {lane.said}" for lane in shown)
    drawing = timeline(shown, time_text, title="When each step runs", desc=desc)
    return PlanTimeline(drawing, len(lanes) - len(shown))


def _seconds(bars: Sequence[Bar]) -> float:
    return sum(bar.stop - bar.start for bar in bars)


def _bar(plan: Plan, task: Task, path: bool) -> Bar:
    assert task.when is not None
    start, stop = task.when.start, task.when.stop
    where = where_text(task.when, plan.target.name if plan.target is not None else "this machine")
    return Bar(start, stop, f"{task.name}\n{time_text(start)} to {time_text(stop)}, {where}", path)
