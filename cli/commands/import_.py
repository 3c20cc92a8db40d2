"""`fusec import`: a spec from the configuration of another tool."""

from __future__ import annotations

from pathlib import Path

import click

from fusec.cli import terminal
from fusec.cli.options import PATH
from fusec.runtime.kernel import RunError


@click.command("import", short_help="Translate another tool's configuration.")
@click.argument("tool", type=click.Choice(("mergekit",)))
@click.argument("file", type=PATH)
@click.option("-o", "--output", type=PATH, metavar="SPEC", help="Write the spec here instead of on stdout.")
def command(tool: str, file: Path, output: Path | None) -> int:
    """Translate a merge configuration into a spec, or say which of its keys have no counterpart.

    Example: fusec import mergekit merge.yml -o merge.fuse
    """
    from fusec.cli.checking import tell
    from fusec.cli.mergekit.references import Folders
    from fusec.cli.mergekit.translate import translate
    from fusec.lang.source import Source
    from fusec.runtime.durable import write_file
    from fusec.runtime.session import read_text

    here = Path.cwd()
    folders = Folders(here, here / file.parent, here / output.parent if output else here)
    made = translate(Source(str(file), read_text(file)), folders, file.stem)
    if made.problems:
        tell(made.problems)
        return 1
    if output is None:
        click.echo(made.spec, nl=False)
        return 0
    data = made.spec.encode()
    if output.exists() and output.read_bytes() != data:
        raise RunError(f"{output} exists and says something else", hint="remove it, or name another file")
    write_file(output, data)
    terminal.note(f"{output}: written; next: fusec check {output}")
    return 0
