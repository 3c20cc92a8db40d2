"""Changes that are offered when a budget is exceeded: each keeps the budget when it is really made."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest
import world

from fusec.compiler.fitting import unfit
from fusec.compiler.plan import Plan
from fusec.compiler.remedies import Remedies
from fusec.lang.codes.fuse301_over_budget import OverBudget
from fusec.lang.source import Source

SPEC = """edition 2026

param seed = 17
param rows = 400 rows
param polish = true

model base from "fixture:llama-a"
data pairs from "fixture:pairs" |> sample { rows: rows }

model rough = finetune { model: base, data: pairs, steps: 3000, batch: 16, context: 512, lr: 1e-5 }
model tuned = if polish then finetune { model: rough, data: pairs, epochs: 900.0 } else rough

budget {
  LIMIT
}

output tuned to "./out/tuned"
"""


def over(spec: str) -> list[OverBudget]:
    """What is said about a spec that exceeds its budget."""

    def replan(text: str, settings: Mapping[str, str]) -> Plan | None:
        typed, _ = world.check_text(text, **settings)
        return None if typed.failed else world.planned(text, **settings)[1]

    typed, plan = world.planned(spec)
    found = unfit(typed, plan, None, Remedies(Source("spec.fuse", spec), {}, typed, replan))
    return [problem for problem in found if isinstance(problem, OverBudget)]


def changed(spec: str, way: str) -> tuple[str, dict[str, str]]:
    """A change carried out as a reader would: in the block of the step it names, or as a setting."""
    if way.startswith("--set "):
        name, value = way.removeprefix("--set ").split("=")
        return spec, {name: value}
    found = re.fullmatch(r"(\w+): (.+) in `(\w+)`", way)
    assert found is not None, way
    slot, value, step = found.groups()
    text, count = re.subn(rf"(model {step} = .*\b{slot}: )[\d.e_-]+", rf"\g<1>{value}", spec)
    assert count == 1, way
    return text, {}


@pytest.mark.parametrize("limit", ["reads: 25 MB", "reads: 60 MB", "wall: 16 s", "wall: 23 s"])
def test_every_change_that_is_offered_fits(limit: str) -> None:
    spec = SPEC.replace("LIMIT", limit)
    (said,) = over(spec)
    assert said.ways
    for way, _ in said.ways:
        text, settings = changed(spec, way)
        typed, plan = world.planned(text, **settings)
        assert not unfit(typed, plan), way


def test_slots_of_the_biggest_spender_come_first_and_parameters_have_a_place() -> None:
    (said,) = over(SPEC.replace("LIMIT", "reads: 60 MB"))
    changes = [way for way, _ in said.ways]
    assert changes[0].startswith("steps: ")
    assert changes[0].endswith(" in `rough`")
    assert changes[2].startswith("--set ")


def test_nothing_is_offered_where_nothing_helps() -> None:
    (said,) = over(SPEC.replace("LIMIT", "wall: 1 ms"))
    assert said.ways == ()
    assert said.fixes()[0].say.startswith("raise `wall` to ")


def test_where_it_goes_adds_up_to_the_whole() -> None:
    (said,) = over(SPEC.replace("LIMIT", "reads: 60 MB"))
    assert [row[0] for row in said.spenders][:1] == ["rough"]
    assert 98 <= sum(int(row[2].rstrip("%")) for row in said.spenders) <= 102


def test_a_parameter_that_also_lowers_the_limit_is_held_to_the_lower_one() -> None:
    spec = SPEC.replace("param rows = 400 rows\n", "").replace("rows: rows", "rows: 400")
    (free,) = over(spec.replace("LIMIT", "reads: 60 MB"))
    (tied,) = over(spec.replace("LIMIT", "reads: if polish then 60 MB else 1 KB"))
    assert "--set polish=false" in [way for way, _ in free.ways]
    assert "--set polish=false" not in [way for way, _ in tied.ways]


def test_no_change_is_planned_twice() -> None:
    tried: list[tuple[str, tuple[tuple[str, str], ...]]] = []

    def replan(text: str, settings: Mapping[str, str]) -> Plan | None:
        tried.append((text, tuple(settings.items())))
        typed, _ = world.check_text(text, **settings)
        return None if typed.failed else world.planned(text, **settings)[1]

    spec = SPEC.replace("LIMIT", "reads: 60 MB, wall: 12 s")
    typed, plan = world.planned(spec)
    assert len(unfit(typed, plan, None, Remedies(Source("spec.fuse", spec), {}, typed, replan))) == 2
    assert len(tried) == len(set(tried))
