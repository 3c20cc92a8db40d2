"""`fusec catalog uses`: the results that were made from a model, and what its withdrawal would reach."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from fusec.cli.columns import columns
from fusec.cli.opening import open_store
from fusec.runtime.kernel import RunError
from fusec.runtime.uses import Use, uses_of


def show_uses(model: str, path: Path | None, *, as_json: bool) -> int:
    with open_store(path) as store:
        found = uses_of(store, model)
        if found is None:
            raise RunError(
                f"no run of {store.root} knows a model `{model}`",
                hint="name a folder, an address as the spec has it, or a step: `merged`, `spec/merged`",
            )
    if as_json:
        click.echo(msgspec.json.encode([use._asdict() for use in found]).decode())
    elif not found:
        click.echo(f"  nothing in the store was made from {model}")
    else:
        heads = ("result", "verb", "id", "made from it", "stale without it", "published to")
        click.echo(columns([heads, *map(_row, found)]))
    return 0


def _row(use: Use) -> tuple[str, ...]:
    way = f"through {' and '.join(use.through)}" if use.through else "directly"
    stale = "yes" if use.stale else "no, it holds no block of it"
    return use.name, use.verb, use.id[:8], way, stale, ", ".join(use.outputs)
