"""A sweep over a read budget drafts its plans: they say what the plans themselves say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from fusec.cli.planning import Wish
from fusec.cli.sweep import plans_of
from fusec.cli.sweep_values import points
from fusec.runtime.session import Session

Fusec = Any  # the fixture of conftest: `fusec(*args)` gives `code`, `out`, `err`
OF_THE_SET = {"access": b"", "hashes": b"", "grams": b"", "digest": ""}


@pytest.mark.parametrize("share", ["0%", "5%", "20%", "50%", "99%"])
def test_a_draft_comes_to_what_its_plan_comes_to(analysed: Path, share: str) -> None:
    session = Session(Path("spec.fuse"))
    (draft,), (whole,) = (
        [row.plan for row in plans_of(session, {}, Wish(), points([f"reads={share}"]), draft=draft)]
        for draft in (True, False)
    )
    assert draft.id == whole.id and draft.wall == whole.wall
    for drafted, planned in zip(draft.tasks, whole.tasks, strict=True):
        reads = planned.reads
        if reads is not None:
            reads = msgspec.structs.replace(reads, **OF_THE_SET)
        assert drafted == msgspec.structs.replace(planned, reads=reads)


def test_a_hundred_budgets_are_a_hundred_lines(analysed: Path, fusec: Fusec) -> None:
    said = fusec("plan", "spec.fuse", "--sweep", "reads=1%..100%/100")
    assert said.code == 0
    lines = [line.split() for line in said.out.split("\n\n")[0].splitlines()]
    assert [line[0] for line in lines[1:]] == [f"{percent}%" for percent in range(1, 101)]
