"""`fusec diff`: what differs between two specs, plans, runs or manifests, in words."""

from __future__ import annotations

from pathlib import Path

import click

from fusec.cli import terminal
from fusec.cli.options import json_option, store_option

DIFFERS = 2


@click.command(short_help="Say what differs between two specs, plans or runs.")
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@store_option
@json_option
def command(a: str, b: str, store: Path | None, as_json: bool) -> int:
    """Say what differs between two specs, plans, runs or manifests; exit 2 if anything does.

    A and B are told apart by their content, and may be of two kinds. A run is named by its folder or by the
    beginning of its name, looked up in the store, `.fusec` in the current folder by default. Layout, names,
    times and places do not count, and are told beside the rest.

    Example: fusec diff specs/quickstart.fuse quick.plan
    """
    from fusec.cli.columns import wrapped
    from fusec.cli.side_difference import side_differences
    from fusec.cli.sides import read_side
    from fusec.runtime.session import unpinned

    sides = read_side(a, store), read_side(b, store)
    found = side_differences(*sides)
    equal = all(part.aside for part in found)
    if as_json:
        import msgspec

        parts, asides = ({p.heading: p.lines for p in found if p.aside is aside} for aside in (False, True))
        kinds = [side.kind for side in sides]
        answer = {"equal": equal, "kinds": kinds, "differences": parts, "asides": asides}
        click.echo(msgspec.json.encode(answer).decode())
        return 0 if equal else DIFFERS
    if equal:
        made = all(side.manifest is not None for side in sides)
        click.echo(f"{a} and {b} ask for the same work{' and made the same' * made}")
    loose = [what for what, side in zip((a, b), sides, strict=True) if side.plan and unpinned(side.plan)]
    if loose and not equal:
        terminal.note(
            f"{' and '.join(loose)}: sources are known by their headers until `fusec lock` pins them"
        )
    width = terminal.width()
    for part in found:
        click.echo("\n".join((part.heading, *(wrapped(line, width) for line in part.lines))))
    return 0 if equal else DIFFERS
