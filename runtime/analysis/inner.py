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
from fusec.runtime import aligned

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

CHUNK = 1 << 12
WORKING_SET = 3 << 19
"""Bytes of rows and products at a time: most of a core's second-level cache."""

LEAF = BLOCK
"""Elements; a multiple of CHUNK. Threads that share a tensor split it at multiples of a leaf."""


class Gram:
    """Inner products of `count` rows that come piece by piece, from the start of a leaf on, in order.

    Takes `16 * count * CHUNK` bytes, or `WORKING_SET` where that is more, whatever the length of the rows.
    """

    def __init__(self, count: int) -> None:
        chunks = max(1, WORKING_SET // (16 * count * CHUNK))
        self._rows = aligned.empty((count, chunks * CHUNK), np.float64)
        self._scratch = aligned.empty((count, chunks, CHUNK), np.float64)
        self._filled = self._chunks = 0
        self._leaf: F64 = np.zeros((count, count))
        self._leaves: list[F64] = []

    def add(self, rows: Sequence[F32]) -> None:
        """Appends the next elements of every row; all rows are equally long."""
        at, size = 0, rows[0].size
        while at < size:
            count = min(self._rows.shape[1] - self._filled, size - at)
            for mine, values in zip(self._rows, rows, strict=True):
                mine[self._filled : self._filled + count] = values[at : at + count]
            at, self._filled = at + count, self._filled + count
            if self._filled == self._rows.shape[1]:
                self._close_chunks()

    def leaves(self) -> list[F64]:
        """The matrix of every leaf, the last one perhaps short; nothing can be added afterwards."""
        self._rows[:, self._filled :] = 0
        self._close_chunks()
        if self._chunks:
            self._close_leaf()
        return self._leaves

    def _close_chunks(self) -> None:
        used = -(-self._filled // CHUNK)
        rows = self._rows.reshape(len(self._rows), -1, CHUNK)[:, :used]
        for products in inner_products(rows, self._scratch[:, :used]):
            self._leaf += products
            self._chunks += 1
            if self._chunks == LEAF // CHUNK:
                self._close_leaf()
        self._filled = 0

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
