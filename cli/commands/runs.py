"""`fusec runs`: what was run in a store, newest first."""

from __future__ import annotations

import time
from pathlib import Path

import click

from fusec.cli.options import json_option, store_option


@click.command(short_help="List past runs.")
@store_option
@json_option
def command(store: Path | None, as_json: bool) -> int:
    """List the runs of a store, newest first; `.fusec` in the current folder by default.

    Example: fusec runs --store specs/.fusec
    """
    from fusec.cli.amounts import time_text
    from fusec.cli.columns import columns
    from fusec.cli.opening import open_store

    with open_store(store) as opened:
        rows = opened.catalog.runs()
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode(rows).decode())
        return 0
    table = [("run", "spec", "state", "started", "time")]
    for row in rows:
        started = time.strftime("%Y-%m-%d %H:%M", time.localtime(row.started))
        table.append(
            (row.id, row.spec, row.state, started, "-" if row.seconds is None else time_text(row.seconds))
        )
    click.echo(columns(table, right=(4,)))
    return 0
