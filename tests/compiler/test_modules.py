"""Specs of several files: the plan of one file, and an end to every explosion."""

from __future__ import annotations

import pytest
from world import check_text, planned

CURATE = """edition 2026
param rows: Count
param seed = 17
data raw from "fixture:pairs"
data train = raw |> sample { rows: rows }
"""


def test_a_spec_of_two_files_has_the_plan_of_one() -> None:
    together = 'edition 2026\nuse "curate.fuse"(rows: 40) as law\noutput law.train to "./train"\n'
    alone = CURATE.replace("param rows: Count", "param rows = 40 rows") + 'output train to "./train"\n'
    _, plan = planned(together, files={"curate.fuse": CURATE})
    assert plan.id == planned(alone)[1].id
    assert [file.path for file in plan.spec_files] == ["curate.fuse"]


def test_the_plan_names_the_text_of_a_used_file() -> None:
    spec = 'edition 2026\nuse "curate.fuse"(rows: 40) as law\noutput law.train to "./train"\n'
    _, plan = planned(spec, files={"curate.fuse": CURATE})
    _, commented = planned(spec, files={"curate.fuse": CURATE + "# more\n"})
    assert plan.id == commented.id
    assert plan.spec_files != commented.spec_files


def test_paths_in_a_used_file_start_where_it_lies() -> None:
    inner = 'edition 2026\nuse "b.fuse" as b\ndata far from "./far.jsonl"\n'
    files = {"sub/a.fuse": inner, "sub/b.fuse": 'edition 2026\ndata near from "../near.jsonl"\n'}
    _, problems = check_text('edition 2026\nuse "sub/a.fuse" as a\noutput a.far to "./o"\n', files=files)
    assert sorted(problem.marks()[0].span.source.name for problem in problems) == sorted(files)


def chain(length: int, uses: int) -> dict[str, str]:
    """Files that each use the next one so many times, with arguments that are never the same."""
    files = {f"f{length}.fuse": 'edition 2026\nparam x: Int\ndata t from "fixture:text"\n'}
    for at in range(length):
        again = "".join(f'use "f{at + 1}.fuse"(x: 2 * x + {n}) as u{n}\n' for n in range(uses))
        files[f"f{at}.fuse"] = f"edition 2026\nparam x: Int\n{again}"
    return files


@pytest.mark.parametrize(
    ("length", "uses", "says"),
    [(30, 2, "made of more than 1_000 used files"), (500, 1, "more than 32 deep")],
)
def test_files_that_multiply_end_in_one_message(length: int, uses: int, says: str) -> None:
    spec = 'edition 2026\nuse "f0.fuse"(x: 1) as a\noutput a.u0 to "./o"\n'
    _, problems = check_text(spec, files=chain(length, uses))
    said = [problem for problem in problems if problem.code in ("FUSE106", "FUSE212")]
    assert len(said) == 1
    assert says in said[0].title() + said[0].marks()[0].note


def test_a_family_of_too_many_modules_is_one_message() -> None:
    keys = ", ".join(f'"k{number}"' for number in range(9_000))
    spec = f'edition 2026\nlet keys = [{keys}]\nuse "m.fuse" as all[k in keys]\n'
    _, problems = check_text(spec, files={"m.fuse": 'edition 2026\ndata t from "fixture:text"\n'})
    assert [problem.code for problem in problems] == ["FUSE212"]


def test_a_long_chain_may_stand_in_reverse_in_a_used_file() -> None:
    steps = "".join(f"data t{n} = t{n + 1} |> shuffle {{ seed: 1 }}\n" for n in range(2_000))
    long = f'edition 2026\ndata t2000 from "fixture:text"\n{steps}'
    spec = 'edition 2026\nuse "long.fuse" as long\noutput long.t0 to "./o"\n'
    _, problems = check_text(spec, files={"long.fuse": long})
    assert not [problem.title() for problem in problems if problem.level == "error"]


def test_a_bare_count_from_outside_divides_like_one_with_its_unit() -> None:
    spec = (
        "edition 2026\nparam rows = 300 rows\nparam seed = 1\n"
        'data raw from "fixture:pairs"\ndata few = raw |> sample { rows: rows / 5 }\noutput few to "./few"\n'
    )
    assert planned(spec, rows="20")[1].id == planned(spec, rows="20 rows")[1].id
