"""`fusec plan`: what would run, what is there already, and what the rest costs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fusec.cli import terminal
from fusec.cli.options import (
    PATH,
    json_option,
    only_option,
    require_option,
    set_option,
    spec_argument,
    store_option,
    target_option,
)

if TYPE_CHECKING:
    from fusec.compiler.plan import Plan
    from fusec.compiler.step import Grade


@click.command(short_help="Show what would run and what it costs.")
@spec_argument
@set_option
@target_option
@only_option
@require_option
@store_option
@click.option("-o", "--output", type=PATH, metavar="FILE", help="Save the plan; `fusec run FILE` runs it.")
@click.option("--sweep", metavar="NAME=A,B,..", help="Compare plans: one line per value of this parameter.")
@json_option
@click.option("--ir", is_flag=True, help="Print the graph instead of the table.")
@click.option("--after", metavar="PASS", help="With --ir: the graph behind this optimizer pass.")
@click.option("--verbose", is_flag=True, help="Also identities, ranges and what every pass did.")
@click.option("--without", metavar="PASS", multiple=True, help="Leave this optimizer pass out.")
@click.option(
    "--check", "against", type=PATH, metavar="FILE", help="Exit 2 unless FILE plans the same results."
)
def command(
    spec: Path,
    settings: dict[str, str],
    target: str | None,
    only: tuple[str, ...],
    require: Grade | None,
    store: Path | None,
    output: Path | None,
    sweep: str | None,
    as_json: bool,
    ir: bool,
    after: str | None,
    verbose: bool,
    without: tuple[str, ...],
    against: Path | None,
) -> int:
    """Plan a spec: what is stored already, what will be computed, what it costs. Runs nothing.

    Example: fusec plan specs/quickstart.fuse --set steps=20 -o quick.plan
    """
    from fusec.cli.checking import open_spec
    from fusec.cli.planning import Wish, make

    if after is not None and not ir:
        raise click.UsageError("--after goes with --ir")
    wish = Wish(only, target, _left_out(without, after), require)
    if sweep is not None:
        if output is not None or against is not None or ir or verbose:
            raise click.UsageError(
                "--sweep compares plans: it goes with --json, and shows or saves no one plan"
            )
        from fusec.cli.sweep import show_sweep

        return show_sweep(spec, settings, store, wish, sweep, as_json=as_json)
    session, checked = open_spec(spec, settings, store)
    plan = make(session, checked, wish)
    if against is not None:
        return _compare(against, plan)
    if output is not None:
        from fusec.cli.checking import tell
        from fusec.compiler.plan import encode_plan
        from fusec.runtime.durable import write_file

        tell(session.not_pinned(checked))
        write_file(output, encode_plan(plan))
    if ir:
        click.echo(plan.ir, nl=False)
    elif as_json:
        import msgspec

        from fusec.cli.plan_json import plan_json

        click.echo(msgspec.json.format(msgspec.json.encode(plan_json(plan)), indent=2))
    else:
        from fusec.cli.plan_text import plan_text

        saved = f" -> {output}" if output is not None else ""
        click.echo(plan_text(plan, width=terminal.width(), verbose=verbose) + saved)
    return 0


def _left_out(without: tuple[str, ...], after: str | None) -> frozenset[str]:
    """The passes that do not run: those named, and with `after` all that stand behind it."""
    from fusec.compiler.passes import OPTIONAL, PIPELINE

    known = [step.name for step in PIPELINE]
    for name, names in (*((name, OPTIONAL) for name in without), *([(after, known)] if after else ())):
        if name not in names:
            raise click.UsageError(f"there is no pass `{name}`; there are {', '.join(names)}")
    behind = known[known.index(after) + 1 :] if after else []
    return frozenset((*without, *behind))


def _compare(against: Path, plan: Plan) -> int:
    from fusec.cli.plan_difference import differences
    from fusec.runtime.session import read_plan

    saved = read_plan(against)
    lines = differences(saved, plan)
    if not lines:
        click.echo(f"{against}: the same plan {plan.id[:8]}")
        return 0
    click.echo(f"{against}: plan {saved.id[:8]} differs from {plan.id[:8]}")
    click.echo("\n".join(f"  {line}" for line in lines))
    return 2
