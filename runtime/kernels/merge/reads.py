"""What is read of the experts of one tensor, block by block: everything, unless a plan says less."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Reads:
    """Of one tensor: K experts in canonical order, B blocks of `block` elements, the last one short.

    read      (K, B) bool   whether the plan takes the expert's block; what it leaves out counts as unchanged
    zero      (K, B) bool   the expert's block holds the base's bytes: never read, whatever the plan
    owner     (K, B) int32  the first expert with the same bytes in the block, itself if none
    complete  whether nothing that differs from the base is left out
    """

    block: int
    read: Flags
    zero: Flags
    owner: NDArray[np.int32]
    complete: bool

    def present(self, block: int) -> tuple[int, ...]:
        """The experts that change something in a block and are read."""
        return tuple(np.flatnonzero(self.read[:, block] & ~self.zero[:, block]).tolist())

    def shared(self) -> int:
        """The most groups of experts that share their bytes within one block."""
        used = self.read & ~self.zero
        sizes = np.stack([((self.owner == k) & used).sum(axis=0) for k in range(len(self.owner))])
        return int((sizes > 1).sum(axis=0).max(initial=0))


def split_at_blocks(start: int, stop: int, size: int, block: int | None) -> Sequence[tuple[int, int]]:
    """A flat range in pieces of at most `size` elements, none of which crosses a block."""
    if block is None:
        return [(at, min(size, stop - at)) for at in range(start, stop, size)]
    pieces, at = [], start
    while at < stop:
        count = min(size, stop - at, block - at % block)
        pieces.append((at, count))
        at += count
    return pieces
