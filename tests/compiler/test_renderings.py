"""The messages of `renderings.md`, character for character."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from world import check_text, planned, problems_of

from fusec.compiler.budget import over_budget
from fusec.compiler.plan import Plan
from fusec.compiler.remedies import Remedies
from fusec.lang.diagnostics import Diagnostic
from fusec.lang.render import in_order, render
from fusec.lang.source import Source

PAGE = Path(__file__).with_name("renderings.md").read_text(encoding="utf-8")
CASES = re.findall(r"^## (FUSE\d+).*?^```fuse\n(.*?)^```$.*?^```rendered\n(.*?)^```$", PAGE, re.M | re.S)
CODES = ["001", "006", "101", "103", "105", "201", "204", "210", "301", "303", "401", "501"]


def said(spec: str) -> tuple[Diagnostic, ...]:
    """What the command `fusec plan` says: over a budget also what would fit."""
    problems = problems_of(spec)
    if {problem.code for problem in problems} != {"FUSE301"}:
        return problems
    target = next(iter(check_text(spec)[0].targets), None)

    def replan(text: str, settings: Mapping[str, str]) -> Plan | None:
        return planned(text, target, **settings)[1]

    typed, plan = planned(spec, target)
    return over_budget(typed, plan, Remedies(Source("spec.fuse", spec), {}, typed, replan))


def test_the_twelve_are_there() -> None:
    assert [code for code, _, _ in CASES] == [f"FUSE{number}" for number in CODES]


@pytest.mark.parametrize(("code", "spec", "rendered"), CASES, ids=[case[0] for case in CASES])
def test_rendering(code: str, spec: str, rendered: str) -> None:
    assert [problem.code for problem in said(spec)] == [code]
    assert "\n".join(map(render, in_order(said(spec)))) == rendered
