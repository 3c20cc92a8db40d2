"""`fusec fmt`: the one layout of a spec."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from fusec.cli import terminal
from fusec.cli.options import PATH
from fusec.runtime.kernel import RunError


@click.command(short_help="Format specs.")
@click.argument("paths", nargs=-1, required=True, type=PATH)
@click.option("--check", "check", is_flag=True, help="Change nothing; exit 2 when a file would change.")
@click.option("--diff", "diff", is_flag=True, help="As --check, and print what would change.")
def command(paths: tuple[Path, ...], check: bool, diff: bool) -> int:
    """Format specs in place; folders are searched for .fuse files, `-` goes from stdin to stdout.

    Example: fusec fmt specs --diff
    """
    from fusec.cli.checking import tell
    from fusec.lang.format import DoesNotParse, format_source
    from fusec.runtime.durable import write_file
    from fusec.runtime.session import read_text

    broken, differ, count = False, 0, 0
    for path in _specs(paths):
        piped = str(path) == "-"
        name = "<stdin>" if piped else str(path)
        text = sys.stdin.read() if piped else read_text(path)
        count += 1
        try:
            formatted = format_source(text, name)
        except DoesNotParse as error:
            tell(error.problems)
            broken = True
            continue
        differs = formatted != text
        differ += differs
        if diff and differs:
            click.echo(_diff(text, formatted, name), nl=False)
        elif check and differs:
            click.echo(f"{name} would change")
        elif piped and not (check or diff):
            click.echo(formatted, nl=False)
        elif differs and not (check or diff):
            write_file(path, formatted.encode())
            click.echo(f"{name} formatted")
    if broken:
        return 1
    if not differ and str(paths[0]) != "-":
        terminal.note(f"{count} file{'s' * (count != 1)} formatted already")
    return 2 if differ and (check or diff) else 0


def _diff(text: str, formatted: str, name: str) -> str:
    before, after = text.splitlines(keepends=True), formatted.splitlines(keepends=True)
    return "".join(difflib.unified_diff(before, after, name, f"{name} formatted"))


def _specs(paths: tuple[Path, ...]) -> Iterator[Path]:
    """The files named, and the specs in the folders named, each once."""
    found: dict[Path, None] = {}
    for path in paths:
        inside = sorted(path.rglob("*.fuse")) if path.is_dir() else [path]
        if not inside:
            raise RunError(f"there is no .fuse file in {path}")
        found.update(dict.fromkeys(inside))
    yield from found
