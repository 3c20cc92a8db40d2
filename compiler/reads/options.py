"""The options of one tensor's blocks: the sets of reads to choose from, what each costs and leaves.

Options come in groups; a plan takes none or one of each group. What a group leaves is a squared error:

- With inner products a block is one group. Its options are sets of items, and the error of each is exact:
  `a^T G a` over the coefficients of the items left out. Experts that cancel each other are read together or
  not at all, since one of them alone leaves more than nothing does.
- With norms alone every item is a group of its own that leaves `c^2 |d|^2`, as if changes were orthogonal,
  which those of separately trained experts nearly are. This is what plans minimise; what they *promise* adds
  the norms within a block, `(sum |c| |d|)^2`, which holds however the changes lie.
- Methods that merge a block from all experts or not at all have one group with one option per block.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusec.compiler.reads.columns import F64, I64, Flags
from fusec.compiler.reads.items import Items
from fusec.compiler.reads.subsets import best_sets

Masks = NDArray[np.uint8]
"""(..., ceil(K / 8)) sets of experts, packed as `numpy.packbits` does."""


@dataclass(frozen=True, eq=False)
class Options:
    """G groups in ascending block order, their O options one group after the other, each in ascending cost.

    block   (G,) int32    number of the block in its tensor
    full    (G,) float64  squared error of taking none of the group's options
    count   (G,) int32    options of the group
    cost    (O,) int64    bytes of the option's reads
    left    (O,) float64  squared error that the option leaves
    masks   (O, M) uint8  the items that it reads
    corner  (O,) bool     whether it lies on the group's lower hull
    given   (B, M) uint8  items merged at each block whatever is chosen
    fixed                 bytes read whatever is chosen: the factors of adapters
    """

    block: NDArray[np.int32]
    full: F64
    count: NDArray[np.int32]
    cost: I64
    left: F64
    masks: Masks
    corner: Flags
    given: Masks
    fixed: int


def pack(sets: Flags) -> Masks:
    """(N, K) bool as masks."""
    return np.packbits(sets, axis=1)


def options_of(items: Items, gram: F64 | None, bound2: F64 | None, adapters: I64) -> Options:
    """The options of one tensor.

    `gram` (B, K, K) as in `TensorColumns`, where inner products count; `bound2` (B,) is what leaving a block
    out costs, squared, for a method that takes whole blocks; `adapters` (K,) are bytes of adapters' factors.
    """
    fixed = int(adapters[items.given.any(axis=1)].sum())
    if bound2 is not None:
        return _whole(items, bound2, fixed)
    return _apart(items, fixed) if gram is None else _joint(items, gram, fixed)


def _apart(items: Items, fixed: int) -> Options:
    block, expert = np.nonzero(items.paid.T)
    gain = items.weight[expert, block] ** 2 * items.norm2[expert, block]
    alone = pack(np.eye(len(items.paid), dtype=bool))
    return _single(block, gain, items.cost[expert, block], alone[expert], pack(items.given.T), fixed)


def _whole(items: Items, bound2: F64, fixed: int) -> Options:
    """A block all of whose items come with adapters costs nothing more: it is merged whatever is chosen."""
    every = (items.paid | items.given).T
    costs = np.asarray(items.paid.any(axis=0))
    block = np.flatnonzero(costs)
    free = every & ~costs[:, None]
    return _single(block, bound2[block], items.cost.sum(axis=0)[block], pack(every[block]), pack(free), fixed)


def _single(block: I64, full: F64, cost: I64, masks: Masks, given: Masks, fixed: int) -> Options:
    ones = np.ones(len(block), np.int32)
    return Options(
        block.astype(np.int32), full, ones, cost, np.zeros(len(block)), masks, ones.astype(bool), given, fixed
    )


def _joint(items: Items, gram: F64, fixed: int) -> Options:
    """Blocks with the same items at the same costs are worked on together."""
    experts, blocks = items.paid.shape
    patterns, pattern_of = np.unique(items.cost.T, axis=0, return_inverse=True)
    found: list[tuple[I64, F64, I64, I64, F64, Flags, Flags]] = []
    for number, costs in enumerate(patterns):
        members = np.flatnonzero(costs)
        if not len(members):
            continue
        block = np.flatnonzero(pattern_of.reshape(-1) == number)
        weight = items.weight[members][:, block].T
        products = weight[:, :, None] * weight[:, None, :] * gram[np.ix_(block, members, members)]
        sets = best_sets(products, costs[members])
        rows, levels = np.nonzero(sets.kept[:, 1:])
        reads = np.zeros((len(rows), experts), bool)
        reads[:, members] = sets.reads[rows, levels + 1]
        found.append(
            (
                block,
                sets.left[:, 0],
                block[rows],
                sets.cost[rows, levels + 1],
                sets.left[rows, levels + 1],
                reads,
                sets.hull[rows, levels + 1],
            )
        )
    given = pack(items.given.T)
    if not found:
        nothing = np.zeros(0, np.int64)
        return _single(nothing, np.zeros(0), nothing, given[:0], given, fixed)
    block, full, option_block, cost, left, reads, hull = (
        np.concatenate(column) for column in zip(*found, strict=True)
    )
    by_block = np.argsort(block, kind="stable")
    by_option = np.argsort(option_block, kind="stable")
    count = np.bincount(option_block, minlength=blocks)[block[by_block]]
    return Options(
        block=block[by_block].astype(np.int32),
        full=full[by_block],
        count=count.astype(np.int32),
        cost=cost[by_option],
        left=left[by_option],
        masks=pack(reads[by_option]),
        corner=hull[by_option],
        given=given,
        fixed=fixed,
    )
