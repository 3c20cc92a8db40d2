"""One plan per value of a parameter, side by side: what a number of the spec buys and costs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import click

from fusec.cli import terminal
from fusec.cli.amounts import size_text, time_text
from fusec.cli.checking import tell
from fusec.cli.columns import columns
from fusec.cli.plan_rows import price_text
from fusec.cli.planning import Wish, find_target, plan_beside, stored_ids
from fusec.cli.sweep_plot import sweep_bars, sweep_drawing, worst_error
from fusec.cli.sweep_values import Point, points
from fusec.compiler.plan import Plan
from fusec.lang.render import render
from fusec.lang.units import quantity_text
from fusec.runtime.session import Session, read_text

HEADS = ("reads", "writes", "time", "gpu-hours", "price", "error", "plan", "")


class Row(NamedTuple):
    """One point of a sweep, and the plan it leads to."""

    point: Point
    plan: Plan

    @property
    def value(self) -> str:
        """What is set: `10%`, or `10%, 3` where two parameters are swept."""
        return ", ".join(self.point.values())


def plans_of(
    session: Session, settings: Mapping[str, str], wish: Wish, points: Iterable[Point], *, draft: bool
) -> Iterator[Row]:
    """One plan for each point; ends the command at the first that is none. Problems are told once.

    What a merge could read is found out once for all budgets, and kept by the session.
    """
    text, stored, said = read_text(session.spec), stored_ids(session.store_path), set[str]()
    for point in points:
        checked = session.check_text(text, {**settings, **point})
        # Positions are the same for every point, sources are not.
        fresh = {shown: problem for problem in checked.problems if (shown := render(problem)) not in said}
        said |= fresh.keys()
        tell(fresh.values())
        if checked.failed:
            raise click.exceptions.Exit(1)
        find_target(checked, wish.target)
        yield Row(point, plan_beside(session, checked, wish, stored, draft=draft))


def show_sweep(
    spec: Path,
    settings: Mapping[str, str],
    store: Path | None,
    wish: Wish,
    sweeps: Iterable[str],
    *,
    as_json: bool,
    svg: Path | None = None,
) -> int:
    """Plans the spec once per point and prints a line for each; budgets are shown, not enforced.

    `svg` is where to draw what changes.
    """
    swept = points(sweeps)
    names = list(swept[0])
    for name in names:
        if name in settings:
            raise click.UsageError(f"`{name}` is both set and swept")
    session = Session(spec, settings, store)
    # The digest of what is read is for tools: the table does without.
    rows = list(plans_of(session, settings, wish, swept, draft=not as_json))
    name, values = ", ".join(names), [row.value for row in rows]
    plans = [row.plan for row in rows]
    if svg is not None:
        from fusec.cli.charts.svg import standalone
        from fusec.runtime.durable import write_file

        write_file(svg, standalone(sweep_drawing(name, values, plans)).encode())
    if as_json:
        import msgspec

        from fusec.cli.plan_json import plan_json

        objects = [{"values": row.point, **msgspec.to_builtins(plan_json(row.plan))} for row in rows]
        answer = {"sweep": names, "rows": objects}
        click.echo(msgspec.json.format(msgspec.json.encode(answer), indent=2))
    else:
        right = range(len(names) + 6)
        table = columns([(*names, *HEADS), *map(_line, rows)], right=right)
        plain = not (terminal.interactive(sys.stdout) and terminal.unicode(sys.stdout))
        bars = sweep_bars(name, values, plans, width=terminal.width(), plain=plain)
        drawn = f"drawn in {svg}" if svg is not None else ""
        click.echo("\n\n".join(block for block in (table, bars, drawn and f"  {drawn}") if block))
    return 0


def _line(row: Row) -> tuple[str, ...]:
    new = [task for task in row.plan.tasks if task.state == "new"]
    error = worst_error(row.plan)
    gpu_hours = sum(task.gpu_hours.likely for task in new)
    exceeded = [limit.name for limit in row.plan.limits if limit.planned > limit.limit]
    return (
        *row.point.values(),
        size_text(sum(task.cost.reads.likely for task in new)),
        size_text(sum(task.cost.writes.likely for task in new)),
        time_text(row.plan.wall.likely),
        quantity_text(gpu_hours, "Compute").split(" ")[0] if gpu_hours else "-",
        price_text(row.plan, new),
        f"{error:.2%}" if error is not None else "-",
        row.plan.id[:8],
        f"exceeds {', '.join(exceeded)}" if exceeded else "",
    )
