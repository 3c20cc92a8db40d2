"""What a run writes down, and that it can be done again from there, wherever the sources are now."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from fusec.runtime.events import CheckDone, read_events
from fusec.runtime.hardware import hardware
from fusec.runtime.kernel import RunError
from fusec.runtime.memory import PeakMemory
from fusec.runtime.replay import replay_run
from fusec.runtime.store import Store
from fusec.runtime.verify import verify_run

SPEC = """edition 2026

param seed = 3
data rows from "./rows.jsonl"
data few = sample { data: rows, rows: 5 }
report profile = describe { data: few }

check profile.rows == 5

output few to "./out/few.jsonl"
output profile to "./out/profile.json"
"""


@pytest.fixture
def ran(bench):
    bench.rows("rows.jsonl", [{"text": f"row {n}"} for n in range(20)])
    return bench.run(SPEC)


def test_the_spec_that_was_planned_is_named_by_content(bench, ran) -> None:
    assert ran.manifest.spec_digest == hashlib.sha256(SPEC.encode()).hexdigest()
    other = bench.run(SPEC.replace("data few", "# more words\ndata few")).manifest
    assert other.spec_digest != ran.manifest.spec_digest
    assert other.semantic_digest == ran.manifest.semantic_digest


def test_every_default_seed_and_amount_is_there(ran) -> None:
    nodes = {node.name: node for node in ran.manifest.nodes}
    assert nodes["few"].slots["share"] is None and nodes["few"].seed == 3
    assert nodes["few"].inputs == (nodes["rows"].id,)
    assert nodes["few"].actual.keys() >= {"seconds", "bytes_read", "bytes_written"}
    assert "seconds" in nodes["few"].estimate
    assert ran.manifest.environment.device == "cpu"


def test_the_peak_of_memory_is_that_of_the_stretch() -> None:
    size = 200 << 20
    bytearray(size)  # held by nobody: what came before must not count
    peak = PeakMemory()
    before = peak.bytes()
    if before is None:
        pytest.skip("this system does not tell")
    held = bytearray(b"x") * (size // 4)
    assert size // 5 < peak.bytes() - before < size // 2
    del held


def test_events_and_catalog_tell_the_scores_and_the_place(bench, ran) -> None:
    (told,) = (e for e in read_events(ran.path.parent / "events.jsonl") if isinstance(e, CheckDone))
    assert told.passed and told.values == {"profile.rows": 5.0}
    store = Store(bench.folder / ".fusec")
    try:
        (row,) = store.catalog.runs()
        assert row.manifest is not None and store.root / row.manifest == ran.path
        assert {pair.key for pair in store.catalog.estimates("sample")} == {hardware()}
    finally:
        store.close()


def test_replay_finds_moved_sources_by_their_new_base(bench, ran, tmp_path: Path) -> None:
    assert replay_run(ran.path).differences == ()
    moved = tmp_path / "moved"
    moved.mkdir()
    shutil.move(bench.folder / "rows.jsonl", moved / "rows.jsonl")
    with pytest.raises(RunError, match=r"rows\.jsonl"):
        replay_run(ran.path)
    assert replay_run(ran.path, base=moved).differences == ()
    (moved / "rows.jsonl").write_text('{"text":"another"}\n')
    with pytest.raises(RunError, match="changed since it was locked"):
        replay_run(ran.path, base=moved)


def test_verify_names_what_changed(bench, ran) -> None:
    assert verify_run(ran.path).problems == ()
    (bench.folder / "out/few.jsonl").write_text("{}\n")
    (bench.folder / "out/profile.json").unlink()
    assert verify_run(ran.path).problems == (
        "output ./out/few.jsonl: changed since it was published",
        "output ./out/profile.json: missing",
    )
