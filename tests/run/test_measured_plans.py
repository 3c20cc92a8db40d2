"""Plans learn from runs: their seconds and money change, what they make does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from fusec.compiler.plan import Plan, encode_plan
from fusec.runtime.catalog import Catalog, read_estimates
from fusec.runtime.cost_errors import errors_by_verb
from fusec.runtime.cost_history import measured, pairs_of
from fusec.runtime.hardware import hardware
from fusec.runtime.kernel import RunError
from fusec.runtime.probe import Effort, probe
from fusec.runtime.probe_file import NAME, write_probe
from fusec.runtime.session import Session

SPEC = """edition 2026

param rows = 5 rows
data all from "./rows.jsonl"
data few = sample { data: all, rows: rows, seed: 1 }

output few to "./out/few.jsonl"
"""


@pytest.fixture
def ran(bench):
    bench.rows("rows.jsonl", [{"text": f"row {n}"} for n in range(20)])
    bench.run(SPEC)
    return bench


def plan(bench, **settings: str) -> Plan:
    session = Session(bench.folder / "spec.fuse", settings)
    return session.plan(session.check())


def test_a_run_corrects_the_next_plan_and_says_so(ran) -> None:
    session = Session(ran.folder / "spec.fuse", store_root=ran.folder / "new")
    fresh, taught = session.plan(session.check()), plan(ran)
    assert fresh.rates == "local cpu, built-in rates"
    assert taught.rates == "local cpu, built-in rates, corrected by 2 earlier steps"
    assert [task.basis.runs for task in taught.tasks if task.basis] == [1, 1]
    (took,) = (row for row in read_estimates(ran.folder / ".fusec/catalog.db", 9) if row.verb == "sample")
    near, far = (next(t for t in p.tasks if t.verb == "sample").seconds.likely for p in (taught, fresh))
    assert abs(near - took.actual["seconds"]) < abs(far - took.actual["seconds"])


def test_evidence_is_no_part_of_what_is_made(ran) -> None:
    session = Session(ran.folder / "spec.fuse", store_root=ran.folder / "new")
    fresh, taught = session.plan(session.check()), plan(ran)
    assert encode_plan(fresh) != encode_plan(taught)
    assert encode_plan(plan(ran)) == encode_plan(taught)
    assert (fresh.id, fresh.ir) == (taught.id, taught.ir)
    assert [task.id for task in fresh.tasks] == [task.id for task in taught.tasks]


def test_planning_changes_no_store(ran) -> None:
    def content() -> dict[str, bytes]:
        return {p.name: p.read_bytes() for p in (ran.folder / ".fusec").iterdir() if p.is_file()}

    before = content()
    plan(ran)
    assert content() == before


def test_steps_of_other_machines_do_not_count(ran) -> None:
    catalog = Catalog(ran.folder / ".fusec/catalog.db")
    with_others = measured(ran.folder / ".fusec")
    catalog.query("UPDATE estimates SET key = 'another machine'")
    catalog.close()
    assert len(with_others.pairs) == 2
    assert measured(ran.folder / ".fusec").pairs == ()


def test_what_older_versions_wrote_down_is_passed_over(ran) -> None:
    catalog = Catalog(ran.folder / ".fusec/catalog.db")
    catalog.add_estimate("sample", hardware(), {"seconds": 1.0, "bytes_read": 7}, {"seconds": 2.0})
    rows = catalog.estimates("sample")
    catalog.close()
    assert len(rows) == 2
    assert len(pairs_of(rows)) == 1
    assert [each.steps for each in errors_by_verb(rows)] == [1]


def test_a_damaged_catalog_is_told_before_the_plan(ran) -> None:
    (ran.folder / ".fusec/catalog.db").write_bytes(b"not a database" * 100)
    with pytest.raises(RunError, match=r"catalog\.db cannot be read") as caught:
        plan(ran)
    assert "rebuilt" in caught.value.hint


def test_a_probe_is_used_on_its_machine_alone(ran) -> None:
    store = ran.folder / ".fusec"
    found = probe(store, Effort(size=1 << 20, side=64, rounds=2))
    assert list((store / "staging").glob("probe-*")) == []
    speeds = (found.read, found.write, *found.flops, found.decode)
    assert all(0 < speed.low <= speed.likely <= speed.high for speed in speeds)
    write_probe(store, found)
    taught = plan(ran)
    assert taught.rates == f"local cpu, probed {found.date}, corrected by 2 earlier steps"
    write_probe(store, structs.replace(found, hardware="another machine"))
    assert plan(ran).rates.startswith("local cpu, built-in rates")


def test_a_damaged_probe_says_how_to_make_another(ran) -> None:
    path: Path = ran.folder / ".fusec" / NAME
    path.write_text('{"date": 3}')
    with pytest.raises(RunError, match=r"probe\.json is not a probe") as caught:
        plan(ran)
    assert "--probe" in caught.value.hint
