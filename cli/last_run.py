"""A plan against the last run of the same spec in its store."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec

from fusec.cli.opening import open_store
from fusec.cli.plan_difference import differences
from fusec.compiler.plan import Plan, decode_plan


class LastRun(NamedTuple):
    """`seconds` is what it took, None while it is not over; `changes` are lines as `fusec diff` has them."""

    run: str
    state: str
    seconds: float | None
    changes: tuple[str, ...]


def last_run(store: Path, plan: Plan) -> LastRun | None:
    """None where there is no store, or none of its runs is of this spec."""
    if not (store / "objects").is_dir():
        return None
    with open_store(store) as opened:
        for row in opened.catalog.runs():
            if row.spec != plan.spec:
                continue
            try:
                before = decode_plan((opened.run_folder(row.id) / "plan").read_bytes())
            except (FileNotFoundError, msgspec.DecodeError):
                continue  # it was killed before its plan was written whole
            return LastRun(row.id, row.state, row.seconds, tuple(differences(before, plan)))
    return None
