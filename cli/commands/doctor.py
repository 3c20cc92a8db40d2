"""`fusec doctor`: what this machine has, how fast it is, and how well plans foretold it."""

from __future__ import annotations

from pathlib import Path

import click

from fusec.cli.options import json_option, store_option


@click.group(invoke_without_command=True, short_help="Look at this machine, and how good plans were.")
@click.option("--probe", "measure", is_flag=True, help="Measure disk and processors for the plans to come.")
@store_option
@json_option
@click.pass_context
def command(ctx: click.Context, measure: bool, store: Path | None, as_json: bool) -> int:
    """Show versions, devices and the store, and say what is missing.

    With --probe it also measures how fast the disk of the store and the processors are: it writes and reads
    a file of 256 MiB a few times. Plans with that store use what it found until it measures again.

    Example: fusec doctor --probe --store specs/.fusec
    """
    if ctx.invoked_subcommand is not None:
        if measure or store is not None or as_json:
            raise click.UsageError(f"options go behind `{ctx.invoked_subcommand}`")
        return 0
    from fusec.cli.health_text import show_health

    return show_health(store, measure=measure, as_json=as_json)


@command.command(short_help="Show how far plans were from what runs took.")
@store_option
@json_option
def costs(store: Path | None, as_json: bool) -> int:
    """Show for each verb how many steps were computed and how far their plans were off.

    An error of 30 % is a step that took 1.3 times as long as planned, or one that took 1.3 times less.

    Example: fusec doctor costs --store specs/.fusec
    """
    from fusec.cli.health_text import show_costs

    return show_costs(store, as_json=as_json)
