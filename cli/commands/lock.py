"""`fusec lock`: every source of a spec and every package it extends, pinned by content beside it."""

from __future__ import annotations

from collections.abc import Container, Iterable
from pathlib import Path

import click

from fusec.cli.options import set_option, spec_argument

EVERY = ""


@click.command(short_help="Pin the sources and packages of a spec by content.")
@spec_argument
@set_option
@click.option(
    "--update",
    metavar="[NAME]",
    multiple=True,
    is_flag=False,
    flag_value=EVERY,
    help="Look afresh at this source, or at all; behind SPEC.",
)
def command(spec: Path, settings: dict[str, str], update: tuple[str, ...]) -> int:
    """Pin every source and package by content in SPEC.lock: reads all once, and downloads `hf:` sources.

    Example: fusec lock specs/quickstart.fuse --update base
    """
    from fusec.cli.checking import checked, counted
    from fusec.cli.fetching import FetchingSession
    from fusec.runtime.session import ALL

    session = FetchingSession(spec, settings)
    relock = ALL if EVERY in update else frozenset(update)
    found = checked(session, relock)
    sources, packages = found.typed.sources, found.typed.packages
    named = _named(update, (*sources, *packages), spec) if update else None
    changed = session.lock(found, update=named)
    count = counted(len(sources), len(packages))
    if changed:
        click.echo(f"{session.lock_path}: pinned {', '.join(changed)}; {count} in all")
    else:
        click.echo(f"{session.lock_path}: up to date, {count}")
    return 0


def _named(update: tuple[str, ...], sources: Iterable[str], spec: Path) -> Container[str]:
    """The sources that `--update` names: by themselves, as a family, or as the head of a pipeline."""
    from fusec.runtime.kernel import RunError
    from fusec.runtime.session import ALL

    if EVERY in update:
        return ALL
    found: set[str] = set()
    for name in update:
        matches = {
            source for source in sources if source == name or source.startswith((f"{name}[", f"{name}/"))
        }
        if not matches:
            raise RunError(f"no source of {spec} is called `{name}`", hint=f"there are {', '.join(sources)}")
        found |= matches
    return found
