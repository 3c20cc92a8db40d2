"""What each merge under a budget would lose with other budgets, as a curve; nothing is run for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from fusec.cli.amounts import part_text, share_text, size_text
from fusec.cli.charts.curve import Axis, Dot, curve
from fusec.cli.charts.svg import Drawing
from fusec.cli.reads_text import error_text
from fusec.compiler.plan import Plan
from fusec.compiler.reads.ladder import Ladder, Point
from fusec.compiler.reads.planned import PlannedReads

SHARES = (0, 0.01, 0.02, 0.03, 0.05, 0.07, *(n / 20 for n in range(2, 21)))


class MergeCurve(NamedTuple):
    """`said` is where the plan stands on the curve; `promised` whether the error is a bound or a guess."""

    node: str
    said: str
    promised: bool
    drawing: Drawing


def plan_curves(plan: Plan, ladders: Mapping[str, Ladder]) -> Iterator[MergeCurve]:
    """A curve for each merge whose ladder is known."""
    for task in plan.tasks:
        if task.reads is not None and task.name in ladders:
            reads = task.reads
            promised = reads.certificate.error is not None
            part = f"{part_text(reads.physical, reads.full)} of experts"
            said = f"{part} ({share_text(1 - reads.saved())}), {error_text(reads.certificate)}"
            yield MergeCurve(task.name, said, promised, _drawing(task.name, reads, ladders[task.name]))


def _drawing(name: str, reads: PlannedReads, ladder: Ladder) -> Drawing:
    points = sorted({point.bytes: point for point in ladder.curve(SHARES)}.values())
    error = reads.certificate.of_update
    here = Dot(reads.physical, error, error, error, f"this plan: {_about(reads.physical, error)}")
    first, last = points[0], points[-1]
    word = "error at most" if reads.certificate.error is not None else "error about"
    return curve(
        [_dot(point) for point in points],
        Axis("bytes read of experts", size_text),
        Axis(f"{word}, of the update", share_text),
        title=f"Error of {name} by bytes read",
        desc=(
            f"From {_about(first.bytes, first.error)} to {_about(last.bytes, last.error)}; "
            f"this plan has {_about(reads.physical, error)}"
        ),
        here=here,
        here_text=f"this plan: {size_text(reads.physical)}, {share_text(error)}",
    )


def _dot(point: Point) -> Dot:
    return Dot(point.bytes, point.error, point.least, point.error, _about(point.bytes, point.error))


def _about(bytes: float, error: float) -> str:
    return f"{size_text(bytes)} read, error {share_text(error)}"
