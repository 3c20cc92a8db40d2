"""Steps that are done in one pass over rows: people see those that they wrote, in plans, `why` and `diff`."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fusec.cli.plan_difference import differences
from fusec.cli.plan_text import plan_text
from fusec.runtime.session import Session

Fusec = Callable[..., tuple[int, str, str]]

CHAIN = """\
edition 2026

data rows from "rows.jsonl"
data kept = rows |> filter { keep: len(.text) >= 4 }
data few = kept |> filter { drop: contains(.text, "7") }
data last = few |> select { text: .text } |> filter { keep: len(.text) < 100 }

output last to "./out/last.jsonl"
"""
FAMILY = """\
edition 2026

param seed = 3
let kinds = ["a", "b"]

data rows from "rows.jsonl"
data kept[k in kinds] = rows |> filter { keep: contains(.text, k) }
data last[k in kinds] = kept[k] |> select { text: .text }
data all = mix { parts: last }

output all to "./out/all.jsonl"
"""


@pytest.fixture
def chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spec whose steps are one pass, over pinned rows, in a folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    lines = (json.dumps({"text": f"line {n}", "n": n}) for n in range(20))
    Path("rows.jsonl").write_text("\n".join(lines) + "\n")
    return written(CHAIN)


def written(text: str, name: str = "chain.fuse") -> Path:
    path = Path(name)
    path.write_text(text)
    session = Session(path)
    session.lock(session.check())
    return path


def ran(fusec: Fusec, spec: Path) -> str:
    code, out, err = fusec("run", spec, "--json")
    assert code == 0, err
    return str(json.loads(out)["run"])


def why(fusec: Fusec, spec: Path, node: str) -> list[str]:
    code, out, err = fusec("why", spec, node)
    assert code == 0, err
    return out.splitlines()


# --- why --------------------------------------------------------------------------------------


def test_the_edited_step_is_named_with_its_slot_and_line(fusec: Fusec, chain: Path) -> None:
    run = ran(fusec, chain)
    written(CHAIN.replace('"7"', '"8"'))
    told = '`drop` was contains(.text, "7"), is contains(.text, "8") (chain.fuse:5)'
    assert why(fusec, chain, "few") == [f"`few` runs again because its {told}", f"  against run {run}"]
    assert why(fusec, chain, "last") == [
        f"`last` runs again because `few` changed: its {told}",
        "    few -> last/select -> last",
        f"  against run {run}",
    ]


def test_the_last_filter_of_a_pass_answers_for_itself(fusec: Fusec, chain: Path) -> None:
    run = ran(fusec, chain)
    written(CHAIN.replace("< 100", "< 99"))
    assert why(fusec, chain, "last") == [
        "`last` runs again because its `keep` was len(.text) < 100, is len(.text) < 99 (chain.fuse:6)",
        f"  against run {run}",
    ]


def test_a_step_within_a_pass_was_made(fusec: Fusec, chain: Path) -> None:
    assert why(fusec, chain, "kept") == ["`kept` runs for the first time: no run in the store had it"]
    run = ran(fusec, chain)
    said = f"has no result of its own: run {run} made `last` of it in one pass over the rows"
    assert why(fusec, chain, "kept") == [f"`kept` {said}"]
    written(CHAIN.replace('"7"', '"8"'))
    assert why(fusec, chain, "kept") == [f"`kept` {said}"], "it did not change"
    (reason,) = json.loads(fusec("why", chain, "kept", "--json")[1])
    assert (reason["state"], reason["within"], reason["run"]) == ("fused", "last", run)


def test_rows_that_were_read_where_they_lie(fusec: Fusec, chain: Path) -> None:
    pq.write_table(pa.table({"text": [f"line {n}" for n in range(20)]}), "rows.parquet")
    run = ran(fusec, written(CHAIN.replace('.jsonl"\ndata kept', '.parquet"\ndata kept')))
    assert why(fusec, chain, "rows") == [
        f"`rows` has no result of its own: run {run} made `last` of it in one pass over the rows"
    ]


# --- diff -------------------------------------------------------------------------------------


def test_differences_name_the_edited_step(fusec: Fusec, chain: Path) -> None:
    run = ran(fusec, chain)
    other = written(CHAIN.replace('"7"', '"8"'), "other.fuse")
    for side in (chain, run):
        code, out, _ = fusec("diff", side, other)
        assert (code, out.splitlines()[:3]) == (
            2,
            [
                "work",
                '  ~ few: drop: contains(.text, "7") -> contains(.text, "8")',
                "    follows: last/select, last",
            ],
        )


def test_a_step_that_was_added_or_taken_out(fusec: Fusec, chain: Path) -> None:
    added = "\ndata more = few |> filter { keep: .n > 1 }\ndata last = more"
    other = written(CHAIN.replace("\ndata last = few", added), "other.fuse")
    assert fusec("diff", chain, other)[1].splitlines()[:3] == [
        "work",
        "  + more: filter",
        "  ~ last/select: data: few -> more",
    ]
    assert "  - more: filter" in fusec("diff", other, chain)[1].splitlines()


@pytest.mark.parametrize("passes", [("fuse_rows",), ("order_filters", "prune_columns", "push_filters")])
def test_how_a_pass_goes_about_it_is_no_difference(chain: Path, passes: tuple[str, ...]) -> None:
    """Plans with and without some passes differ in nothing, and say the same of an edit."""
    session = Session(chain)
    checked = session.check()
    plain, fused = session.plan(checked, without=passes), session.plan(checked)
    assert plain.ir != fused.ir and differences(plain, fused) == []
    changed = Session(written(CHAIN.replace('"7"', '"8"'), "other.fuse"))
    edited = changed.plan(changed.check())
    assert differences(plain, edited) == differences(fused, edited) != []


def test_a_manifest_knows_its_fused_steps(fusec: Fusec, chain: Path) -> None:
    """Also against a plan that does them one by one, and without its plan beside it."""
    run = ran(fusec, chain)
    shutil.copy(f".fusec/runs/{run}/manifest.json", "kept.json")
    fusec("plan", chain, "--without", "fuse_rows", "-o", "plain.plan")
    for other in (chain, "plain.plan"):
        assert fusec("diff", "kept.json", other)[0] == 0
        assert fusec("diff", other, "kept.json")[0] == 0
    out = fusec("diff", "kept.json", written(CHAIN.replace('"7"', '"8"'), "other.fuse"))[1]
    assert out.splitlines()[:2] == ["work", "  ~ few: filter, made another way"]
    assert "kept" not in out.partition("\n")[2]


def test_a_manifest_mentions_rows_that_were_read_where_they_lie(fusec: Fusec, chain: Path) -> None:
    pq.write_table(pa.table({"text": [f"line {n}" for n in range(20)]}), "rows.parquet")
    run = ran(fusec, written(CHAIN.replace('.jsonl"\ndata kept', '.parquet"\ndata kept')))
    shutil.copy(f".fusec/runs/{run}/manifest.json", "kept.json")
    assert fusec("diff", "kept.json", chain)[0] == 0


# --- plan -------------------------------------------------------------------------------------


def test_every_named_step_has_a_line(fusec: Fusec, chain: Path) -> None:
    lines = fusec("plan", chain)[1].split("\n\n")[0].splitlines()
    assert [line.split()[:2] for line in lines[1:5]] == [
        ["rows", "new"],
        ["kept", "fused"],
        ["few", "fused"],
        ["last", "new"],
    ]
    assert lines[2].endswith("exact  filter") and lines[2].split()[2:4] == ["-", "-"]
    assert lines[4].endswith("in one pass: filter, filter, select..") and max(map(len, lines)) <= 80
    assert not any("rows.pass" in line for line in lines)


def test_families_of_fused_steps_are_one_line(fusec: Fusec, chain: Path) -> None:
    spec = written(FAMILY)
    lines = fusec("plan", spec)[1].split("\n\n")[0].splitlines()
    assert [line.split("  ")[1] for line in lines[1:5]] == ["rows", "kept[a b]", "last[a b]", "all"]
    assert lines[3].endswith("in one pass: filter, select")


def test_a_pass_of_one_step_is_called_by_its_verb(fusec: Fusec, chain: Path) -> None:
    """A lone `select` reads fewer columns as a pass; that is no news for the table."""
    spec = written(
        'edition 2026\n\ndata rows from "rows.jsonl"\ndata last = rows |> select { text: .text }\n'
    )
    session = Session(spec)
    plan = session.plan(session.check(), only=("last",))
    assert "rows.pass" in plan.ir
    (line,) = (line for line in plan_text(plan, width=80).splitlines() if line.startswith("  last"))
    assert line.endswith("exact  select")


def test_pictures_and_pages_name_fused_steps(fusec: Fusec, chain: Path) -> None:
    assert fusec("plan", chain, "--html", "plan.html", "--svg", "plan.svg")[0] == 0
    page, picture = Path("plan.html").read_text(), Path("plan.svg").read_text()
    assert page.count('<span class="badge fused">fused</span>') == 2
    assert "in one pass: filter, filter, select, filter\nthrough kept, few" in picture
    assert "rows.pass" not in page + picture
