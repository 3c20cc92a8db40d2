"""`fusec check --fix`: a spec with its certain fixes applied, and what was done to it."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import click

from fusec.lang.diagnostics import Diagnostic
from fusec.lang.mending import Done, mend
from fusec.lang.source import Source
from fusec.runtime.durable import write_file
from fusec.runtime.session import Session, read_text


class MendedSpec(NamedTuple):
    """The text of a spec before and after, and the fixes between."""

    before: str
    text: str
    done: tuple[Done, ...]


def mend_spec(session: Session, *, write: bool) -> MendedSpec:
    """Apply every `safe` fix to the spec, and with `write` put the text in its place at once.

    A file that ends all its lines in CRLF keeps them. Modules that the spec imports are left alone.
    """

    def look(text: str) -> tuple[Source, Sequence[Diagnostic]]:
        found = session.check_text(text, session.settings)
        return found.source, found.problems

    before = read_text(session.spec)
    text, done = mend(before, look)
    if write and done:
        _replace(session.spec, text)
    return MendedSpec(before, text, done)


def _replace(spec: Path, text: str) -> None:
    old = spec.read_bytes()
    if 0 < old.count(b"\r\n") == old.count(b"\n"):
        text = text.replace("\n", "\r\n")
    write_file(spec.resolve(), text.encode())


def show_mended(spec: Path, mended: MendedSpec, *, as_diff: bool) -> None:
    """One line a fix, or a unified diff."""
    if as_diff:
        before, after = (text.splitlines(keepends=True) for text in (mended.before, mended.text))
        lines = difflib.unified_diff(before, after, str(spec), f"{spec} fixed")
        click.echo("".join(lines), nl=False)
        return
    for code, (line, column), say in mended.done:
        click.echo(f"{spec}:{line}:{column}: {code} fixed: {say}")


def mended_json(mended: MendedSpec) -> list[dict[str, object]]:
    """What was fixed, as plain data: lines and columns count from 1, each in the text just before its fix."""
    return [
        {"code": code, "line": place.line, "column": place.column, "say": say}
        for code, place, say in mended.done
    ]
