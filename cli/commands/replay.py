"""`fusec replay`: whether a run gives the same bytes again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fusec.cli import terminal
from fusec.cli.options import PATH, base_option, json_option
from fusec.runtime.kernel import RunError

if TYPE_CHECKING:
    from fusec.runtime.replay import Replayed

DIFFERS, FAILED = 2, 4


@click.command(short_help="Run again and compare every result.")
@click.argument("manifest", type=PATH)
@base_option("the folder of the store")
@json_option
def command(manifest: Path, base: Path | None, as_json: bool) -> int:
    """Run again from an empty store and compare every result by content; exit 2 where one differs.

    Takes the plan beside the manifest and as many threads as were recorded, publishes nothing and leaves
    no trace behind.

    Example: fusec replay .fusec/runs/20260101-120000-abcdef/manifest.json
    """
    from fusec.cli.progress import progress
    from fusec.cli.quiet import quiet_libraries

    quiet_libraries()
    from fusec.runtime.manifest import load_manifest
    from fusec.runtime.replay import replay_run
    from fusec.runtime.runs import place_of
    from fusec.runtime.trouble import refused

    load_manifest(place_of(manifest).manifest)  # a damaged manifest is bad input, not a run that failed
    try:
        with progress(quiet=as_json) as listeners:
            replayed = replay_run(manifest, base, listeners)
    except RunError as error:
        terminal.error(error.what, error.hint)
        return FAILED
    if as_json:
        import msgspec

        from fusec.lang.render import as_json as as_plain

        answer = {
            "equal": not replayed.differences,
            "nodes": {"equal": replayed.equal, "compared": replayed.compared},
            "checks": replayed.checks,
            "differences": [found._asdict() for found in replayed.differences],
            "problems": [as_plain(problem) for problem in replayed.problems],
        }
        click.echo(msgspec.json.encode(answer).decode())
    else:
        for problem in replayed.problems:
            refusal = refused(problem)
            terminal.error(refusal.what, refusal.hint, "warning" if problem.level == "warning" else "error")
        click.echo(_text(replayed))
    return DIFFERS if replayed.differences else 0


def _text(replayed: Replayed) -> str:
    from fusec.cli.columns import columns

    counts = [(grade, count) for grade, count in replayed.compared.items() if count]
    lines = [columns([(grade, f"{replayed.equal[grade]} of {count} equal") for grade, count in counts])]
    if replayed.differences:
        lines.append("\n  differs:")
        rows = [
            (found.where, found.name, found.field, f"{_short(found.a)} -> {_short(found.b)}")
            for found in replayed.differences
        ]
        lines.append(columns(rows, indent=4))
    else:
        checks = f" and {replayed.checks} check{'s' * (replayed.checks != 1)}" if replayed.checks else ""
        lines.append(f"  all {sum(replayed.compared.values())} results{checks} equal")
    return "\n".join(lines)


def _short(digest: str | None) -> str:
    return "nothing" if digest is None else digest[:12]
