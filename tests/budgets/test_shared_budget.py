"""One budget for two merges: divided by marginal value it beats halves, in errors measured on the files."""

from __future__ import annotations

from pathlib import Path

import pytest
import shared_budget
from shared_budget import WORK, errors, expert_bytes, run, write_family

from fusec.compiler.reads.access import decode

BUDGET = int(0.3 * sum(WORK.values()))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A family of each test's own: what one has made, another would find in the store and not read."""
    write_family(tmp_path)
    return tmp_path


def test_the_division_beats_halves(root: Path) -> None:
    run(root, "full", BUDGET)
    used = {way: expert_bytes(run(root, way, BUDGET)) for way in ("halves", "shared")}
    assert all(sum(read.values()) <= BUDGET for read in used.values())
    assert used["shared"]["flat"] > used["halves"]["flat"], "more goes where more is to be had"
    assert errors(root, "shared")["both"] < 0.9 * errors(root, "halves")["both"]


def test_merges_with_a_share_are_read_in_their_own_blocks(root: Path) -> None:
    manifest = run(root, "shared", BUDGET)
    reads = [node.reads for node in manifest.nodes if node.verb == "merge"]
    assert [None if one is None else decode(one.access).block for one in reads] == [shared_budget.BLOCK] * 2
    (limit,) = manifest.limits
    assert limit.name == "expert_reads"
    assert limit.used <= limit.estimated <= limit.limit == BUDGET


def test_a_merge_with_an_error_keeps_it_and_the_other_gets_the_rest(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        shared_budget,
        "spec",
        lambda way, budget: spec(way, budget).replace(f"block: {shared_budget.BLOCK}", WITH_ERROR, 1),
    )
    manifest = run(root, "shared", BUDGET)
    (limit,) = manifest.limits
    assert limit.used <= limit.estimated <= limit.limit
    sharp, flat = (node for node in manifest.nodes if node.verb == "merge")
    assert sharp.reads is not None
    assert sharp.reads.certificate.of_update <= 0.1
    assert flat.reads is not None
    assert flat.reads.physical > 0.9 * (BUDGET - sharp.reads.physical)


spec = shared_budget.spec
WITH_ERROR = f"block: {shared_budget.BLOCK}\n  max_error: 10%"
