"""The smallest and the largest budgets, and those that are none."""

from __future__ import annotations

import pytest
import torch
from desks import BLOCK, Desk, bits, load_model, merge_record, same_bits, save_aligned

import fusec

BLOCK_BYTES = 4 * BLOCK
BLOCKS = 4


@pytest.fixture
def family(desk: Desk) -> Desk:
    """A base and one expert of four blocks at pages, the third of which changes most."""
    g = torch.Generator().manual_seed(0)
    base = {"a.weight": torch.randn(BLOCKS * BLOCK, generator=g)}
    change = 0.01 * torch.randn(BLOCKS * BLOCK, generator=g)
    change[2 * BLOCK : 3 * BLOCK] *= 10
    save_aligned(desk.folder / "base", base)
    save_aligned(desk.folder / "math", {"a.weight": base["a.weight"] + change})
    desk.analyze()
    return desk


def expert_bytes(desk: Desk, reads: str) -> float:
    return merge_record(desk.run(desk.budgeted(reads, ["math"]))).actual.get("expert_bytes", 0)


@pytest.mark.parametrize("reads", ["0 B", "0%", "1 B", f"{BLOCK_BYTES - 1} B"])
def test_less_than_a_block_reads_nothing_and_gives_the_base(family: Desk, reads: str) -> None:
    assert expert_bytes(family, reads) == 0
    assert same_bits(family.merged(), load_model(family.folder / "base"))


def test_exactly_one_block_is_the_one_that_changes_most(family: Desk) -> None:
    assert expert_bytes(family, f"{BLOCK_BYTES} B") == BLOCK_BYTES
    merged, base = family.merged()["a.weight"], load_model(family.folder / "base")["a.weight"]
    changed = [bits(m) != bits(b) for m, b in zip(merged.split(BLOCK), base.split(BLOCK), strict=True)]
    assert changed == [False, False, True, False]


@pytest.mark.parametrize("reads", ["100%", f"{BLOCKS * BLOCK_BYTES} B", "1 TB"])
def test_as_much_as_there_is_is_a_full_read(family: Desk, reads: str) -> None:
    assert expert_bytes(family, reads) == BLOCKS * BLOCK_BYTES
    limited = family.merged()
    family.run(family.spec(["math"]))
    assert same_bits(limited, family.merged())


@pytest.mark.parametrize("reads", ["-1 B", "-5%", "150%", "0.5", "nan", "nan%", "1e400 B", '"10%"'])
def test_what_is_no_amount_is_refused_before_anything_is_read(family: Desk, reads: str) -> None:
    with pytest.raises(fusec.SpecError):
        fusec.compile(family.budgeted(reads, ["math"]))


@pytest.mark.parametrize("share", ["nan", "inf", "-5%", "110%"])
def test_a_parameter_cannot_bring_one_in(family: Desk, share: str) -> None:
    spec = family.budgeted("share", ["math"])
    spec.write_text(spec.read_text().replace("edition 2026", "edition 2026\nparam share = 10%"))
    with pytest.raises((fusec.SpecError, fusec.RunError)):
        fusec.compile(spec, share=share)
