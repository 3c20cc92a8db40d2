"""What is read of the experts of one tensor, block by block: everything, unless a plan says less."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]
M = TypeVar("M", bound=np.generic)


@dataclass(frozen=True, eq=False)
class Reads:
    """Of one tensor: K experts in canonical order, B blocks of `block` elements, the last one short.

    read      (K, B) bool   whether the plan takes the expert's block; what it leaves out counts as unchanged
    zero      (K, B) bool   the expert's block holds the base's bytes: never read, whatever the plan
    owner     (K, B) int32  the first expert with the same bytes in the block, itself if none
    resting   whether a block of which nothing is read has the base's bytes
    hashes    (K, B, 16) uint8    what the SHA-256 of a block that is read must begin with; 0 where nobody
              knows: of adapters
    gram      (1 + K, 1 + K) float64  `Tensor.gram` of the whole tensor, where it is known
    made      (B,) bool     blocks that the model in the folder `earlier` holds as this merge would make them
    """

    block: int
    read: Flags
    zero: Flags
    owner: NDArray[np.int32]
    resting: bool
    hashes: NDArray[np.uint8] | None = None
    gram: NDArray[np.float64] | None = None
    made: Flags | None = None
    earlier: Path | None = None

    def present(self, start: int, stop: int) -> tuple[int, ...]:
        """The experts that change something between two elements and are read."""
        blocks = slice(start // self.block, -(-stop // self.block))
        return tuple(np.flatnonzero(self.taken[:, blocks].any(axis=1)).tolist())

    @cached_property
    def taken(self) -> Flags:
        """(K, B): whether bytes of the expert are read."""
        return self.read & ~self.zero

    def fetched(self, experts: tuple[int, ...]) -> Flags:
        """(len(experts), B): whether the bytes come from the expert's own file, where only these experts are
        looked at, and not from one before it among them with the same."""
        if experts not in self._fetched:
            self._fetched[experts] = self._first_of_equals(experts)
        return self._fetched[experts]

    @cached_property
    def _fetched(self) -> dict[tuple[int, ...], Flags]:
        return {}

    def _first_of_equals(self, experts: tuple[int, ...]) -> Flags:
        taken, owners = self.taken[list(experts)], self.owner[list(experts)]
        found = np.zeros_like(taken)
        for owner in range(len(self.owner)):
            sharing = taken & (owners == owner)
            found |= sharing & (sharing.cumsum(axis=0) == 1)
        return found

    def runs(self, start: int, stop: int, marks: NDArray[M]) -> Iterator[tuple[int, int, M]]:
        """A range of elements in runs of blocks with equal `marks` (B,): start, stop, and the mark."""
        first, last = start // self.block, -(-stop // self.block)
        inside = marks[first:last]
        edges = [0, *(np.flatnonzero(inside[1:] != inside[:-1]) + 1).tolist(), len(inside)]
        for a, b in pairwise(edges):
            yield max(start, (first + a) * self.block), min(stop, (first + b) * self.block), inside[a]

    def shared(self) -> int:
        """The most groups of experts that share their bytes within one block."""
        used = self.taken
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
