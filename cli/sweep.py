"""One plan per value of a parameter, side by side: what a number of the spec buys and costs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import click

from fusec.cli.amounts import size_text, time_text
from fusec.cli.checking import tell
from fusec.cli.columns import columns
from fusec.cli.plan_text import price_text
from fusec.cli.planning import Wish, draft, find_target
from fusec.compiler.plan import Plan, Task
from fusec.lang.render import render
from fusec.lang.units import quantity_text
from fusec.runtime.session import Session, read_text

HEADS = ("reads", "writes", "time", "gpu-hours", "price", "error", "plan", "")


class Row(NamedTuple):
    """A value as it was given, and the plan it leads to."""

    value: str
    plan: Plan


def show_sweep(
    spec: Path, settings: dict[str, str], store: Path | None, wish: Wish, sweep: str, *, as_json: bool
) -> int:
    """Plans the spec once per value and prints a line for each; budgets are shown, not enforced."""
    name, values = parse(sweep)
    if name in settings:
        raise click.UsageError(f"`{name}` is both set and swept")
    session, rows, said = Session(spec, settings, store), [], set[str]()
    text = read_text(spec)
    for value in values:
        checked = session.check_text(text, {**settings, name: value})
        # What every value leads to is told once; positions are the same, sources are not.
        fresh = {shown: problem for problem in checked.problems if (shown := render(problem)) not in said}
        said |= fresh.keys()
        tell(fresh.values())
        if checked.failed:
            raise click.exceptions.Exit(1)
        find_target(checked, wish.target)
        rows.append(Row(value, draft(session, checked, wish)))
    if as_json:
        import msgspec

        from fusec.cli.plan_json import plan_json

        answer = {"sweep": name, "rows": [{"value": row.value, **plan_json(row.plan)} for row in rows]}
        click.echo(msgspec.json.format(msgspec.json.encode(answer), indent=2))
    else:
        click.echo(columns([(name, *HEADS), *map(_line, rows)], right=(0, 1, 2, 3, 4, 5, 6)))
    return 0


def parse(sweep: str) -> tuple[str, list[str]]:
    """`reads=8GB,16GB` as the name and the values. Commas in brackets or quotes belong to a value."""
    name, equals, text = sweep.partition("=")
    values = [value.strip() for value in _split(text)]
    if not equals or not name.strip() or not all(values):
        raise click.BadParameter(f"`{sweep}` is not `name=value,value`", param_hint="--sweep")
    return name.strip(), values


def _split(text: str) -> list[str]:
    parts, depth, quoted = [""], 0, False
    for sign in text:
        quoted ^= sign == '"'
        if not quoted:
            depth += (sign in "([{") - (sign in ")]}")
        if sign == "," and depth == 0 and not quoted:
            parts.append("")
        else:
            parts[-1] += sign
    return parts


def _errors(tasks: Iterable[Task]) -> list[float]:
    """What merges under a budget leave undone, as shares of their changes."""
    return [task.reads.certificate.of_update for task in tasks if task.reads is not None]


def _line(row: Row) -> tuple[str, ...]:
    new = [task for task in row.plan.tasks if task.state == "new"]
    errors = _errors(new)
    gpu_hours = sum(task.gpu_hours.likely for task in new)
    exceeded = [limit.name for limit in row.plan.limits if limit.planned > limit.limit]
    return (
        row.value,
        size_text(sum(task.cost.reads.likely for task in new)),
        size_text(sum(task.cost.writes.likely for task in new)),
        time_text(row.plan.wall.likely),
        quantity_text(gpu_hours, "Compute").split(" ")[0] if gpu_hours else "-",
        price_text(row.plan, new),
        f"{max(errors):.2%}" if errors else "-",
        row.plan.id[:8],
        f"exceeds {', '.join(exceeded)}" if exceeded else "",
    )
