"""The budget curve of a merge: what other budgets would read and leave, next to what the plan says itself."""

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from fusec.cli.plan_curves import SHARES
from fusec.runtime.session import Session

Fusec = Any  # the fixture of conftest: `fusec(*args)` gives `code`, `out`, `err`


def test_more_bytes_leave_less_and_the_ends_are_nothing_and_everything(analysed: Path) -> None:
    session = Session(Path("spec.fuse"))
    checked = session.check()
    plan = session.plan(checked)
    points = session.ladders(checked, plan)["merged"].curve(SHARES)
    assert (points[0].bytes, points[0].error) == (0, 1.0)
    assert points[-1].error == pytest.approx(0, abs=1e-6)
    assert all(a.error >= b.error and a.least <= a.error for a, b in pairwise(points))


def test_the_plan_lies_on_its_curve(analysed: Path) -> None:
    """The curve knows no fitting to physical bytes, and is right all the same."""
    for reads in ("10%", "20%", "40%"):
        session = Session(Path("spec.fuse"), {"reads": reads})
        checked = session.check()
        plan = session.plan(checked)
        planned = next(task.reads for task in plan.tasks if task.reads is not None)
        ladder = session.ladders(checked, plan)["merged"]
        (at,) = ladder.curve([planned.logical / ladder.total])
        assert at.error == pytest.approx(planned.certificate.of_update, rel=0.02)
        assert at.least <= planned.certificate.of_update


def test_the_page_draws_it_where_the_experts_are_known(fusec: Fusec, analysed: Path) -> None:
    assert fusec("plan", "spec.fuse", "--html", "plan.html").code == 0
    text = (analysed / "plan.html").read_text()
    assert "Budget curve" in text and "error at most, of the update" in text
    here = re.search(r"this plan: ([\d.]+ [kKMG]?B), ([\d.]+%)", text)
    assert here is not None
    said = fusec("plan", "spec.fuse").out
    assert here[1].split()[0] in said


def test_without_a_budget_there_is_no_curve(fusec: Fusec, analysed: Path) -> None:
    spec = analysed / "spec.fuse"
    spec.write_text(spec.read_text().replace("  expert_reads: reads\n", ""))
    assert fusec("plan", "spec.fuse", "--html", "plan.html").code == 0
    assert "Budget curve" not in (analysed / "plan.html").read_text()
