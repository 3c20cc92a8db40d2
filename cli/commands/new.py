"""`fusec new`: a project that runs as it is."""

from __future__ import annotations

from pathlib import Path

import click

from fusec.cli.options import PATH
from fusec.runtime.kernel import RunError


@click.command(short_help="Make a starter project that runs.")
@click.argument("folder", metavar="DIR", type=PATH)
def command(folder: Path) -> int:
    """Make a starter project: a small spec that runs in under a minute, without the network.

    Example: fusec new my-model
    """
    from fusec.cli.starter import FILES

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"{folder} exists and is not empty", hint="name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    click.echo(f"{folder}: {', '.join(FILES)}\nnext: cd {folder} && fusec run {next(iter(FILES))}")
    return 0
