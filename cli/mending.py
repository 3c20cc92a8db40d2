"""`fusec check --fix`: a spec with its certain fixes applied, and what was done to it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import click

from fusec.lang.diagnostics import Diagnostic
from fusec.lang.mending import Done, mend
from fusec.lang.source import Source
from fusec.runtime.durable import write_file
from fusec.runtime.session import Session, read_text

NO_NEWLINE = "\\ No newline at end of file"  # as `patch` reads it


class MendedSpec(NamedTuple):
    """A spec with its fixes: `text` as fusec reads it, `before` and `after` with the ends of its lines."""

    text: str
    before: str
    after: str
    done: tuple[Done, ...]


def mend_spec(session: Session, *, write: bool) -> MendedSpec:
    """Apply every `safe` fix to the spec, and with `write` put the text in its place at once.

    A file that ends all its lines in CRLF keeps them. Modules that the spec imports are left alone.
    """

    def look(text: str) -> tuple[Source, Sequence[Diagnostic]]:
        found = session.check_text(text, session.settings)
        return found.source, found.problems

    text, done = mend(read_text(session.spec), look)
    before = session.spec.read_bytes().decode()
    whole = 0 < before.count("\r\n") == before.count("\n")
    after = text.replace("\n", "\r\n") if whole else text
    if write and done:
        write_file(session.spec.resolve(), after.encode())
    return MendedSpec(text, before, after, done)


def show_mended(spec: Path, mended: MendedSpec, *, as_diff: bool) -> None:
    """One line a fix, or a unified diff."""
    if as_diff:
        before, after = (re.findall(r"[^\n]*\n|[^\n]+", text) for text in (mended.before, mended.after))
        lines = difflib.unified_diff(before, after, str(spec), f"{spec} fixed")
        patch = "".join(line if line.endswith("\n") else f"{line}\n{NO_NEWLINE}\n" for line in lines)
        click.echo(patch.encode(), nl=False)  # bytes keep every line end
        return
    for code, (line, column), say in mended.done:
        click.echo(f"{spec}:{line}:{column}: {code} fixed: {say}")


def mended_json(mended: MendedSpec) -> list[dict[str, object]]:
    """What was fixed, as plain data: lines and columns count from 1, each in the text just before its fix."""
    return [
        {"code": code, "line": place.line, "column": place.column, "say": say}
        for code, place, say in mended.done
    ]
