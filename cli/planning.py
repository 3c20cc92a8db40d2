"""From a checked spec to a plan within its budget."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

import click

from fusec.cli.checking import tell
from fusec.compiler.plan import Plan
from fusec.runtime.session import Checked, Session


def require_budget(checked: Checked, plan: Plan) -> None:
    """Ends the command when the plan costs more than the spec's budget allows (FUSE301)."""
    from fusec.compiler.budget import over_budget

    problems = over_budget(checked.typed, plan)
    if problems:
        tell(problems)
        raise click.exceptions.Exit(1)


def make(session: Session, checked: Checked, only: tuple[str, ...], without: Container[str] = ()) -> Plan:
    """The plan against what the store holds; neither makes a store nor changes one."""
    return session.plan(checked, stored=stored_ids(session.store_path), only=only, without=without)


def stored_ids(store: Path) -> frozenset[str]:
    """The results in a store, by its folders; none where there is no store yet."""
    return frozenset(path.name for path in store.glob("objects/*/*"))
