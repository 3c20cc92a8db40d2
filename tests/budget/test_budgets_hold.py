"""What a budget counts, and plans that stay good until they run."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from fusec import RunError, SpecError

BLOCK = 4096
Bench = Any  # of conftest.py


def weights(seed: int, rows: int = 256) -> torch.Tensor:
    return torch.randn(rows, 64, generator=torch.Generator().manual_seed(seed)).to(torch.bfloat16)


@pytest.fixture
def family(bench: Bench) -> Bench:
    """Three experts of 32 KB a tensor that change everything, and a tensor of integers of 64 KB."""
    for seed, name in enumerate(["base", "a", "b", "c"]):
        model = {"v": weights(seed), "w": weights(seed + 7)}
        bench.model(name, model | {"places": torch.arange(8192)})
    return bench


def test_equal_integers_are_told_by_their_hashes(family: Bench) -> None:
    family.analyze("a", "b")
    actual = family.merge("a, b", "task_arithmetic", f", expert_reads: 20 KB, block: {BLOCK}").actual
    assert actual["expert_bytes"] <= 20_000


def test_other_integers_are_found_without_reading_them(family: Bench) -> None:
    family.model("a", {"v": weights(1), "w": weights(8), "places": torch.arange(8192).flip(0)})
    family.analyze("a", "b")
    with pytest.raises((RunError, SpecError), match="`places` differs from the base's"):
        family.merge("a, b", "task_arithmetic", f", expert_reads: 20 KB, block: {BLOCK}")


def test_samples_are_part_of_a_budget(family: Bench) -> None:
    more = f", analysis: sampled, block: {BLOCK}"
    with pytest.raises(RunError, match="FUSE302: a sample of the experts takes 196608 bytes"):
        family.merge("a, b", "task_arithmetic", f", expert_reads: 190 KB{more}")
    actual = family.merge("a, b", "task_arithmetic", f", expert_reads: 220 KB{more}").actual
    assert 0 < actual["expert_bytes"] <= 220_000 - 196_608


def test_samples_compare_what_is_not_merged(family: Bench) -> None:
    family.model("a", {"v": weights(1), "w": weights(8), "places": torch.arange(8192).flip(0)})
    with pytest.raises(RunError, match="`places` differs from the base's"):
        family.merge("a, b", "task_arithmetic", f", expert_reads: 90%, analysis: sampled, block: {BLOCK}")


def test_a_share_is_one_of_reading_the_experts_once(bench: Bench) -> None:
    for seed, name in enumerate(["base", "a", "b"]):
        bench.model(name, {"w": weights(seed)})
    bench.analyze("a", "b")
    actual = bench.merge("a, b", "multislerp", f", expert_reads: 50%, block: {BLOCK}").actual
    assert 0 < actual["expert_bytes"] <= 32_768


def test_a_method_by_rows_says_that_it_has_no_bound(family: Bench) -> None:
    family.analyze("a", "b")
    with pytest.raises(SpecError, match="FUSE308"):
        family.merge("a, b", "nuslerp(flatten: false)", f", expert_reads: 50%, block: {BLOCK}")


def test_an_analysis_that_left_out_tensors_is_none_of_all(family: Bench) -> None:
    first = "model first = merge { base: base, experts: [a, b], method: task_arithmetic }"
    second = "model merged = merge {{ base: base, experts: [first, b], method: task_arithmetic{} }}"
    kept = f', keep: ["v"], expert_reads: 50%, block: {BLOCK}'
    family.run(family.spec(first, second.format(kept), experts=["a", "b"]))
    family.run(family.spec(first, second.format(""), experts=["a", "b"]))
    assert family.merged() == family.merged_anew()


def test_a_stored_merge_keeps_its_bytes_under_a_shared_budget(bench: Bench) -> None:
    """`first` is stored, so it takes no part; what is planned on top of it is planned for what it is."""
    for seed, name in enumerate(["base", "a", "b", "c"]):
        bench.model(name, {"w": weights(seed)})
    bench.analyze("a", "b", "c", block=1 << 19)  # where a budget is shared, blocks are of this size
    steps = [
        f"model {name} = merge {{ base: base, experts: [{experts}], method: task_arithmetic{more} }}"
        for name, experts, more in (
            ("first", "a, b", ""),
            ("merged", "first, c", f", expert_reads: 50%, block: {BLOCK}"),
            ("other", "a, c", ""),
        )
    ]
    bench.run(bench.spec(steps[0], experts=["a", "b"], outputs=["first"]))
    bench.analyze(next((bench.folder / ".fusec/objects/model").iterdir()), "c")
    budget = "budget { expert_reads: 80 KB }"
    ran = bench.run(bench.spec(*steps, budget, experts=["a", "b", "c"], outputs=["merged", "other"]))
    states = {node.name: node.state for node in ran.nodes}
    assert states == {"first": "reused", "merged": "computed", "other": "computed"}
    assert sum(node.actual.get("expert_bytes", 0) for node in ran.nodes) <= 80_000
