"""`fusec docs`: the reference of this version, written as Markdown."""

from __future__ import annotations

from pathlib import Path

import click

from fusec.cli.options import PATH


@click.command(short_help="Write the reference.")
@click.option(
    "-o",
    "--output",
    type=PATH,
    metavar="DIR",
    default=Path("fusec-reference"),
    show_default=True,
    help="The folder to write to.",
)
def command(output: Path) -> int:
    """Write the reference of this version as Markdown: verbs, methods, functions, units, messages, commands.

    Files of the same names are replaced, others are left alone.

    Example: fusec docs -o reference
    """
    from fusec.cli.reference.pages import pages
    from fusec.runtime.durable import write_file

    output.mkdir(parents=True, exist_ok=True)
    found = pages()
    for name, text in found.items():
        write_file(output / name, text.encode())
    click.echo(f"{output}: {', '.join(found)}")
    return 0
