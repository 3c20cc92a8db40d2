"""Checking a spec and saying what was found; every command that takes a spec begins here."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from pathlib import Path

import click

from fusec.cli import terminal
from fusec.lang.diagnostics import Diagnostic, Level
from fusec.lang.render import in_order, render
from fusec.runtime.session import Checked, Session

LEVELS: tuple[Level, ...] = ("error", "warning", "hint")


def checked(session: Session, relock: Container[str] = ()) -> Checked:
    """The spec without errors. Tells its problems on stderr and ends the command when it has errors."""
    found = session.check(relock)
    tell(found.problems)
    if found.failed:
        raise click.exceptions.Exit(1)
    return found


def open_spec(spec: Path, settings: Mapping[str, str], store: Path | None) -> tuple[Session, Checked]:
    session = Session(spec, settings, store)
    return session, checked(session)


def tell(problems: Iterable[Diagnostic], denied: Container[str] = ()) -> None:
    """The problems on stderr in the order of the text, and how many there are."""
    ordered = in_order(problems)
    if ordered:
        paint = terminal.painter(sys.stderr)
        terminal.note("\n".join(render(p, paint, level_of(p, denied)) for p in ordered))
        terminal.note(tally(ordered, denied))


def level_of(problem: Diagnostic, denied: Container[str]) -> Level:
    """Its level, or error where its code is denied."""
    return "error" if problem.code in denied else problem.level


def counted(sources: int, packages: int) -> str:
    """`2 sources and 1 package`; packages only where there are any."""
    counts = [(sources, "source")] if sources or not packages else []
    counts += [(packages, "package")] if packages else []
    return " and ".join(f"{count} {what}{'s' * (count != 1)}" for count, what in counts)


def tally(problems: Iterable[Diagnostic], denied: Container[str] = ()) -> str:
    """`2 errors (1 denied), 1 warning, 1 hint`."""
    problems = list(problems)
    levels: Counter[Level] = Counter(level_of(problem, denied) for problem in problems)
    raised = sum(problem.code in denied and problem.level != "error" for problem in problems)
    return ", ".join(
        f"{count} {level}{'s' * (count != 1)}{f' ({raised} denied)' * (level == 'error' and raised > 0)}"
        for level in LEVELS
        if (count := levels[level])
    )
