"""The kernel knows what it fetched, fusec keeps a ledger, and both tell the same bytes of experts."""

from __future__ import annotations

from pathlib import Path

import pytest
from merge.arena import ANALYSED, LOCKED, Arena
from merge.family import Plant, shape_of, write_family
from merge.runs import Run, Runs
from test_bytes_read import fetched, require_a_counting_disk

EXPERTS = 2


@pytest.fixture
def arena(tmp_path: Path) -> Arena:
    """A family of 40 MB models with whole megabytes planted, pinned and measured, repeats of one."""
    write_family(tmp_path / "family", EXPERTS, shape_of(40), plant=Plant(frozen=0.3, hot=0.2))
    (tmp_path / "out").mkdir()
    require_a_counting_disk(tmp_path / "family/expert00/model.safetensors")
    runs = Runs(tmp_path / "log", repeats=1, tell=lambda text: None)
    arena = Arena(tmp_path / "family", tmp_path / "work", tmp_path / "out", runs)
    assert isinstance(arena.lock(EXPERTS), Run)
    assert isinstance(arena.analyse(EXPERTS), Run)
    return arena


@pytest.mark.parametrize(
    ("store", "slots"), [(LOCKED, {}), (ANALYSED, {}), (ANALYSED, {"expert_reads": "40%"})]
)
def test_within_two_percent(
    arena: Arena, store: str, slots: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FUSEC_DIRECT_READS", "0")  # what goes past the cache cannot be counted there

    def run(reads: dict[str, str]) -> Run:
        found = arena.fusec("task_arithmetic", EXPERTS, store=store, slots=reads, warm_base=True)
        assert isinstance(found, Run)
        return found

    run({"expert_reads": "0 B"} if store == ANALYSED else {"shard_size": "4 GB"})  # all code is in memory now
    found = run(slots)
    kernel = fetched(arena.experts(EXPERTS))
    assert found.ledger > 0
    assert abs(kernel - found.ledger) <= 0.02 * found.ledger
    assert found.read >= kernel, "the counter of the process has blocks of metadata in it too"
