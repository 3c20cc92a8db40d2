"""Checking a spec and saying what was found; every command that takes a spec begins here."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import click

from fusec.cli import terminal
from fusec.lang.diagnostics import Diagnostic
from fusec.lang.render import in_order, render
from fusec.runtime.session import Checked, Session


def checked(session: Session) -> Checked:
    """The spec without errors. Tells its problems on stderr and ends the command when it has errors."""
    found = session.check()
    tell(found.problems)
    if found.failed:
        raise click.exceptions.Exit(1)
    return found


def open_spec(spec: Path, settings: Mapping[str, str], store: Path | None) -> tuple[Session, Checked]:
    session = Session(spec, settings, store)
    return session, checked(session)


def tell(problems: Iterable[Diagnostic], denied: Iterable[str] = ()) -> None:
    """The problems on stderr in the order of the text, and how many there are."""
    ordered = in_order(problems)
    if ordered:
        paint = terminal.painter(sys.stderr)
        terminal.note("\n".join(render(problem, paint) for problem in ordered))
        terminal.note(tally(ordered, denied))


def tally(problems: Iterable[Diagnostic], denied: Iterable[str] = ()) -> str:
    """`2 errors, 1 warning, 1 hint (denied)`."""
    problems = list(problems)
    levels = Counter(problem.level for problem in problems)
    refused = {problem.level for problem in problems if problem.code in denied}
    return ", ".join(
        f"{count} {level}{'s' * (count != 1)}{' (denied)' * (level in refused)}"
        for level in ("error", "warning", "hint")
        if (count := levels[level])
    )
