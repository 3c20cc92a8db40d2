"""What `--only` understands: names with keys, dots, or neither."""

from __future__ import annotations

import pytest
from world import check_text

from fusec.compiler.addresses import results_at

INNER = """edition 2026
param rows: Int
param seed = 3
data raw from "fixture:text"
data train = raw |> sample { rows: rows }
data parts = raw |> split { test: 25% }
"""

SPEC = """edition 2026
let sizes = ["s": 10, "m/l": 20]
use "inner.fuse"(rows: sizes[k]) as some[k in sizes]
use "inner.fuse"(rows: 30) as one
data again[k in sizes] = some[k].train |> shuffle { seed: 1 }
data alias = one.train
output alias to "./alias"
"""


@pytest.mark.parametrize(
    ("address", "results"),
    [
        ("again", ["%again[s]", "%again[m/l]"]),
        ("again[m/l]", ["%again[m/l]"]),
        ("some[m/l].train", ["%some[m/l].train"]),
        ("some.train", ["%some[s].train", "%some[m/l].train"]),
        ("one", ["%one.raw", "%one.train", "%one.parts"]),
        ("one.parts.test", ["%one.parts.test"]),
        ("alias", ["%one.train"]),
        ("some", [f"%some[{key}].{name}" for key in ("s", "m/l") for name in ("raw", "train", "parts")]),
        ("one.rows", []),
        ("some[xl].train", []),
        ("one.trian", []),
        ("on", []),
    ],
)
def test_an_address_gives_results(address: str, results: list[str]) -> None:
    typed, problems = check_text(SPEC, files={"inner.fuse": INNER})
    assert not typed.failed, [problem.title() for problem in problems]
    assert [str(ref) for ref in results_at(typed, address)] == results


def test_a_step_without_a_name_goes_by_its_place() -> None:
    text = 'edition 2026\ndata x from "fixture:text" |> shuffle { seed: 1 }\noutput x to "./x"\n'
    typed, _ = check_text(text)
    assert [str(ref) for ref in results_at(typed, "x/source")] == ["%x/source"]
