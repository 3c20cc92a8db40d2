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
    passes_options,
    require_option,
    set_option,
    spec_argument,
    store_option,
    target_option,
)

if TYPE_CHECKING:
    from fusec.cli.planning import Wish
    from fusec.compiler.plan import Plan
    from fusec.compiler.step import Grade
    from fusec.runtime.session import Checked, Session


@click.command(short_help="Show what would run and what it costs.")
@spec_argument
@set_option
@target_option
@only_option
@require_option
@store_option
@click.option("-o", "--output", type=PATH, metavar="FILE", help="Save the plan; `fusec run FILE` runs it.")
@click.option(
    "--sweep",
    metavar="NAME=A,B,..",
    multiple=True,
    help="Compare plans: one line per value of this parameter; NAME=LOW..HIGH/N for N even steps.",
)
@json_option
@click.option("--ir", is_flag=True, help="Print the graph instead of the table.")
@click.option("--after", metavar="PASS", help="With --ir: the graph behind this optimizer pass.")
@click.option("--verbose", is_flag=True, help="Also identities, ranges and what every pass did.")
@click.option("--html", type=PATH, metavar="FILE", help="Draw the plan as one page that loads nothing.")
@click.option("--svg", type=PATH, metavar="FILE", help="Draw the graph; with --sweep what the values cost.")
@passes_options
@click.option(
    "--check",
    "against",
    type=PATH,
    metavar="FILE",
    help="Exit 2 unless FILE, a saved plan, would still run as planned.",
)
def command(
    spec: Path,
    settings: dict[str, str],
    target: str | None,
    only: tuple[str, ...],
    require: Grade | None,
    store: Path | None,
    output: Path | None,
    sweep: tuple[str, ...],
    as_json: bool,
    ir: bool,
    after: str | None,
    verbose: bool,
    html: Path | None,
    svg: Path | None,
    without: frozenset[str],
    added: frozenset[str],
    against: Path | None,
) -> int:
    """Plan a spec: what is stored already, what will be computed, what it costs. Runs nothing.

    Example: fusec plan specs/quickstart.fuse --set steps=20 -o quick.plan
    """
    from fusec.cli.checking import open_spec
    from fusec.cli.planning import Wish, make

    if after is not None and not ir:
        raise click.UsageError("--after goes with --ir")
    wish = Wish(only, target, without, added, require)
    if sweep:
        if output is not None or against is not None or html is not None or ir or verbose:
            raise click.UsageError(
                "--sweep compares plans: it goes with --json and --svg, and shows or saves no one plan"
            )
        from fusec.cli.sweep import show_sweep

        return show_sweep(spec, settings, store, wish, sweep, as_json=as_json, svg=svg)
    if against is not None:
        from fusec.cli.plan_check import show_check

        return show_check(against, spec, settings, store, wish, as_json=as_json)
    session, checked = open_spec(spec, settings, store)
    if after is not None:
        return _graph_behind(session, checked, wish, after)
    plan = make(session, checked, wish)
    if output is not None:
        from fusec.cli.checking import tell
        from fusec.compiler.plan import encode_plan
        from fusec.runtime.durable import write_file

        tell(session.not_pinned(checked))
        write_file(output, encode_plan(plan))
    if html is not None or svg is not None:
        _draw(session, checked, plan, html, svg)
    if ir:
        click.echo(plan.ir, nl=False)
    elif as_json:
        import msgspec

        from fusec.cli.plan_json import plan_json

        click.echo(msgspec.json.format(msgspec.json.encode(plan_json(plan)), indent=2))
    else:
        from fusec.cli.plan_text import plan_text

        saved = ", ".join(str(path) for path in (output, html, svg) if path is not None)
        arrow = f" -> {saved}" if saved else ""
        click.echo(plan_text(plan, width=terminal.width(), verbose=verbose) + arrow)
    return 0


def _draw(session: Session, checked: Checked, plan: Plan, html: Path | None, svg: Path | None) -> None:
    from fusec.runtime.durable import write_file

    if svg is not None:
        from fusec.cli.charts.svg import standalone
        from fusec.cli.plan_graph import plan_graph

        write_file(svg, standalone(plan_graph(plan)).encode())
    if html is not None:
        from fusec.cli.html.page import plan_page
        from fusec.cli.last_run import last_run

        ladders, last = session.ladders(checked, plan), last_run(session.store_path, plan)
        write_file(html, plan_page(plan, ladders=ladders, last=last).encode())


def _graph_behind(session: Session, checked: Checked, wish: Wish, after: str) -> int:
    """Prints what the passes up to one leave, whether that fits a budget or not."""
    from fusec.cli.planning import find_target, plan_beside, stored_ids
    from fusec.compiler.passes import BY_NAME
    from fusec.compiler.passes.text import outline_of, write_outline

    if after not in BY_NAME:
        raise click.UsageError(f"there is no pass `{after}`; there are {', '.join(BY_NAME)}")
    find_target(checked, wish.target)
    plan = plan_beside(session, checked, wish, stored_ids(session.store_path), after=after)
    click.echo(write_outline(outline_of(plan, after)), nl=False)
    return 0
