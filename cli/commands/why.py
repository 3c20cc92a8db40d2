"""`fusec why`: why a result will be computed, against the nearest earlier run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fusec.cli.options import json_option, set_option, spec_argument, store_option

if TYPE_CHECKING:
    from fusec.cli.reasons import Reason


@click.command(short_help="Say why a result runs again.")
@spec_argument
@click.argument("node", metavar="NODE")
@set_option
@store_option
@json_option
def command(spec: Path, node: str, settings: dict[str, str], store: Path | None, as_json: bool) -> int:
    """Say why a result will run, or why it need not: against the last run that had it.

    NODE is a result of the spec, `expert[code]`, a family, `expert`, or any of them, `*`.

    Example: fusec why specs/quickstart.fuse merged --set steps=20
    """
    from fusec.cli.checking import open_spec
    from fusec.cli.reasons import reasons

    session, checked = open_spec(spec, settings, store)
    found = reasons(session, checked, node)
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode([_plain(reason) for reason in found]).decode())
    else:
        from fusec.cli.reason_text import reason_text

        click.echo("\n".join(reason_text(reason) for reason in found))
    return 0


def _plain(reason: Reason) -> dict[str, object]:
    return {
        "node": reason.node,
        "state": reason.state,
        "id": reason.id,
        "run": reason.run,
        "within": reason.within or None,
        "causes": [
            {
                "node": told.cause.node,
                **told.cause.change._asdict(),
                "at": told.at,
                "params": told.params,
                "path": told.cause.path,
            }
            for told in reason.causes
        ],
    }
