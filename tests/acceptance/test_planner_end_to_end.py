"""A budget goes where the changes are, whatever the tensors are called and however experts disagree."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from desks import BLOCK, Desk, bits, load_model, merge_record, save_aligned

from fusec.compiler.reads.access import decode

EXPERTS = ("math", "code")
BLOCKS = 40


def distance2(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    return sum(float((one[n].double() - other[n].double()).square().sum()) for n in one)


def planted(desk: Desk, names: list[str], hot: float = 0.05) -> None:
    """A share of all blocks changes by 1, the others by a thousandth, in tensors of many blocks."""
    g = torch.Generator().manual_seed(9)
    base = {name: torch.randn(BLOCKS * BLOCK, generator=g) for name in names}
    save_aligned(desk.folder / "base", base)
    for seed, expert in enumerate(EXPERTS):
        chosen = np.random.default_rng(seed).permutation(len(names) * BLOCKS)[
            : int(hot * len(names) * BLOCKS)
        ]
        size = torch.full((len(names) * BLOCKS, 1), 1e-3)
        size[torch.from_numpy(chosen)] = 1.0
        change = (torch.randn((len(size), BLOCK), generator=g) * size).view(len(names), -1)
        save_aligned(desk.folder / expert, {n: t + change[i] for i, (n, t) in enumerate(base.items())})
    desk.analyze()


@pytest.mark.parametrize("analysis", ["gram", "norms"])
def test_five_percent_of_the_bytes_have_nearly_all_of_the_update(desk: Desk, analysis: str) -> None:
    planted(desk, ["a.weight", "b.weight", "c.weight"])
    desk.run(desk.spec(EXPERTS, weights=[0.5, 0.5]))
    full, base = desk.merged(), load_model(desk.folder / "base")
    record = merge_record(desk.run(desk.budgeted("5%", EXPERTS, weights=[0.5, 0.5], analysis=analysis)))
    assert record.actual["expert_bytes"] <= 0.05 * 2 * 3 * BLOCKS * BLOCK * 4
    assert distance2(desk.merged(), full) <= 0.01 * distance2(base, full)


def test_the_order_of_tensors_starves_none(new_desk: Callable[[str], Desk]) -> None:
    """The same contents under names that sort the other way round: the same blocks are read."""
    names = [f"{letter}.weight" for letter in "abcdef"]
    found = []
    for turn, order in enumerate((names, names[::-1])):
        desk = new_desk(f"d{turn}")
        planted(desk, order, hot=0.3)
        reads = merge_record(desk.run(desk.budgeted("20%", EXPERTS))).reads
        assert reads is not None
        flags, ids = decode(reads.access).reads(), desk.ids()
        places = [sorted(EXPERTS, key=ids.__getitem__).index(name) for name in EXPERTS]
        found.append([flags[name][places].tolist() for name in order])
    assert found[0] == found[1]
    assert all(any(map(any, tensor)) for tensor in found[0])


def test_experts_that_cancel_are_read_together_or_not_at_all(desk: Desk) -> None:
    """One of them alone would take the block away from the full merge."""
    g = torch.Generator().manual_seed(3)
    base = {"a.weight": torch.randn(8 * BLOCK, generator=g)}
    change = torch.randn(8 * BLOCK, generator=g)
    residue = torch.zeros(8 * BLOCK)
    residue[: 4 * BLOCK] = 0.05 * torch.randn(
        4 * BLOCK, generator=g
    )  # of half of the pairs something is left
    save_aligned(desk.folder / "base", base)
    save_aligned(desk.folder / "math", {"a.weight": base["a.weight"] + change})
    save_aligned(desk.folder / "code", {"a.weight": base["a.weight"] - change + residue})
    desk.analyze()
    desk.run(desk.spec(EXPERTS))
    full = desk.merged()
    nothing = distance2(base, full)
    for pieces in range(17):
        record = merge_record(desk.run(desk.budgeted(f"{pieces * 4 * BLOCK} B", EXPERTS)))
        assert distance2(desk.merged(), full) <= nothing * (1 + 1e-6), pieces
        if record.reads is not None and pieces < 16:
            (flags,) = decode(record.reads.access).reads().values()
            assert (flags[0] == flags[1]).all(), pieces
            assert flags[0][:4].sum() == min(pieces // 2, 4), "pairs that leave something come first"
    assert bits(desk.merged()["a.weight"]) == bits(full["a.weight"])
