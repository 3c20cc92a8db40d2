"""Inner products whose bits depend on the numbers alone: not on tiles, threads, machine or library.

The product of two float32 is exact in float64. The sums are float64 in one fixed shape: `CHUNK` elements
pairwise, the chunks of a leaf of `LEAF` elements one after the other, the leaves one after the other. All
positions count from the start of the tensor, and a short last chunk is filled up with zeros.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from fusec.compiler.reads.grid import BLOCK

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

CHUNK = 1 << 12
LEAF = BLOCK
"""Elements; a multiple of CHUNK. Threads that share a tensor split it at multiples of a leaf."""


class Gram:
    """Inner products of `count` rows that come piece by piece, from the start of a leaf on, in order.

    Takes `16 * count * CHUNK` bytes whatever the length of the rows.
    """

    def __init__(self, count: int) -> None:
        self._rows = np.zeros((count, 1, CHUNK))
        self._scratch = np.empty_like(self._rows)
        self._filled = self._chunks = 0
        self._leaf: F64 = np.zeros((count, count))
        self._leaves: list[F64] = []

    def add(self, rows: Sequence[F32]) -> None:
        """Appends the next elements of every row; all rows are equally long."""
        at, size = 0, rows[0].size
        while at < size:
            count = min(CHUNK - self._filled, size - at)
            for mine, values in zip(self._rows[:, 0], rows, strict=True):
                mine[self._filled : self._filled + count] = values[at : at + count]
            at, self._filled = at + count, self._filled + count
            if self._filled == CHUNK:
                self._close_chunk()

    def leaves(self) -> list[F64]:
        """The matrix of every leaf, the last one perhaps short; nothing can be added afterwards."""
        if self._filled:
            self._rows[:, 0, self._filled :] = 0
            self._close_chunk()
        if self._chunks:
            self._close_leaf()
        return self._leaves

    def _close_chunk(self) -> None:
        self._leaf += inner_products(self._rows, self._scratch)[0]
        self._filled, self._chunks = 0, self._chunks + 1
        if self._chunks == LEAF // CHUNK:
            self._close_leaf()

    def _close_leaf(self) -> None:
        self._leaves.append(self._leaf)
        self._leaf, self._chunks = np.zeros_like(self._leaf), 0


def gram_of_rows(rows: Sequence[F32]) -> F64:
    """The (n, n) float64 inner products of n equally long rows of float32, which start at a leaf."""
    gram = Gram(len(rows))
    gram.add(rows)
    return total(gram.leaves(), len(rows))


def total(leaves: Iterable[F64], count: int) -> F64:
    """The matrix of a whole tensor from those of its leaves, in their order; zeros where there are none."""
    result: F64 = np.zeros((count, count))
    for leaf in leaves:
        result += leaf
    return result


# Infinities and what they give stand in the result; whoever reads weights looks for them before.
@np.errstate(over="ignore", invalid="ignore")
def inner_products(rows: F64, scratch: F64) -> F64:
    """(chunks, n, n) inner products of `rows`, n rows of chunks of CHUNK float32 values: (n, chunks, CHUNK).

    `scratch` is overwritten; it is at least as large as `rows`.
    """
    count, chunks, _ = rows.shape
    result: F64 = np.empty((chunks, count, count))
    for i in range(count):
        products = scratch[: count - i]
        np.multiply(rows[i:], rows[i], out=products)
        sums = np.add.reduce(products, axis=-1)
        result[:, i, i:] = result[:, i:, i] = sums.T
    return result
