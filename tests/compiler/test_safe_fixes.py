"""Fixes marked `safe`: applied to the failing specs of the pages they end the problem, and never make one."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from world import facts

from fusec.compiler.check import check
from fusec.lang.diagnostics import Diagnostic, all_codes
from fusec.lang.mending import mend
from fusec.lang.parse import parse
from fusec.lang.source import Source

FAILS = re.compile(r"```fuse fails\n(.*?)```", re.S)
PAGES = {code: FAILS.findall(inspect.cleandoc(cls.__doc__ or "")) for code, cls in all_codes().items()}
SPECS = Path(__file__).parents[2] / "specs"

MENDED_BY_ITSELF = [
    "FUSE001", "FUSE002", "FUSE003", "FUSE004", "FUSE006", "FUSE008", "FUSE009", "FUSE010",
    "FUSE103", "FUSE107", "FUSE401",
]  # fmt: skip
"""The codes whose page shows a mistake with one certain fix; an edit here goes with every new one."""


def look(text: str) -> tuple[Source, Sequence[Diagnostic]]:
    source = Source("spec.fuse", text)
    return source, check(parse(source), facts, {}).problems


def has_safe_fix(spec: str) -> bool:
    return any(fix.grade == "safe" for problem in look(spec)[1] for fix in problem.fixes())


def test_the_codes_with_a_certain_fix_are_those_listed() -> None:
    assert [code for code, specs in PAGES.items() if any(map(has_safe_fix, specs))] == MENDED_BY_ITSELF


@pytest.mark.parametrize("code", MENDED_BY_ITSELF)
def test_a_safe_fix_ends_the_problem_of_its_page(code: str) -> None:
    for spec in PAGES[code]:
        text, done = mend(spec, look)
        assert {fixed.code for fixed in done} == {code}
        assert [problem.title() for problem in look(text)[1]] == []
        assert mend(text, look) == (text, ())


def test_several_mistakes_of_one_spec_are_mended_together() -> None:
    text, done = mend(
        """\
model base from “fixture:llama-a”
  model math from "fixture:llama-a-math"
data few from "fixture:pairs" |> sample { rows: 10 }

model both = merge {
	base = base
  experts: [math
  method: average
  expert_read: 24 GBs
}
output both to "./out/both"
output few to "./out/few"
""",
        look,
    )
    assert look(text)[1] == ()
    assert (
        text
        == """\
edition 2026

model base from "fixture:llama-a"
model math from "fixture:llama-a-math"
data few from "fixture:pairs" |> sample { seed: 17, rows: 10 }

model both = merge {
  base: base
  experts: [math]
  method: average
  expert_reads: 24 GB
}
output both to "./out/both"
output few to "./out/few"
"""
    )
    assert len(done) == 9


def test_a_seed_goes_onto_a_line_of_its_own_where_the_slots_do() -> None:
    spec = 'edition 2026\ndata few from "fixture:pairs" |> sample {\n    rows: 10\n}\noutput few to "./few"\n'
    text, (done,) = mend(spec, look)
    assert done.say == "add `seed: 17` to this step"
    assert "sample {\n    seed: 17\n    rows: 10\n}" in text


@pytest.mark.parametrize(
    "spec",
    [
        'edition 2026\nmodel round_1 from "fixture:llama-a"\noutput round_2 to "./out"\n',
        'edition 2026\nmodel math from "fixture:llama-a"\noutput mathe to "./out"\n',
        'edition 2026\nmodel m from "fixture:llama-a"\noutput m to "./{m"\n',
    ],
    ids=["another round", "a name of the user", "a brace"],
)
def test_a_guess_is_never_applied(spec: str) -> None:
    assert any(fix.grade == "maybe" for problem in look(spec)[1] for fix in problem.fixes())
    assert mend(spec, look) == (spec, ())


def test_a_fix_that_does_not_end_its_problem_is_taken_back() -> None:
    """The quote hides whatever is put behind it, so a brace there closes nothing."""
    spec = 'edition 2026\ndata few from "fixture:pairs" |> shuffle {“ seed: 17 }\noutput few to "./few"\n'
    assert "FUSE001" in [problem.code for problem in look(spec)[1]]
    text, _ = mend(spec, look)
    assert text.count("}") == 1


def test_edits_of_other_files_are_left_alone() -> None:
    def elsewhere(text: str) -> tuple[Source, Sequence[Diagnostic]]:
        return Source("spec.fuse", text), look("model m from 'x'")[1]

    assert mend("edition 2026\n", elsewhere) == ("edition 2026\n", ())


GOOD = (SPECS / "quickstart.fuse").read_text()


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, len(GOOD) - 1), st.integers(0, 6), st.sampled_from(["", "[", "}", '"', " = ", "“", "\t"])
)
def test_mending_never_makes_a_spec_worse(at: int, cut: int, put: str) -> None:
    spec = GOOD[:at] + put + GOOD[at + cut :]

    def errors(text: str) -> int:
        return sum(problem.code < "FUSE1" for problem in look(text)[1])

    text, done = mend(spec, look)
    assert errors(text) <= errors(spec)
    assert bool(done) == (text != spec)
    assert mend(text, look) == (text, ())
