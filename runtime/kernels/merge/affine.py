"""Merges that stay in the span of their inputs, with coefficients that follow from inner products alone.

    W = B + (e B + sum_i c_i D_i)        D_i = X_i - B

(e, c_1 ... c_K) is a function of the Gram matrix of B and the D_i: of a whole tensor, of each row or of each
column. Products and coefficients are float64 in a fixed order; e and c_i are rounded to float32, and so is
every operation on elements after that. Where e is 0 and no expert changed anything, the base's bits stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np

from fusec.runtime.kernels.merge.codec import F32
from fusec.runtime.kernels.merge.operator import F64, Grain, Operator, Tensor, Tile, add_update
from fusec.runtime.kernels.merge.tiles import row_length

Coefficients = Callable[[F64], F64]
"""From Gram matrices (..., K + 1, K + 1), the base first, to (..., K + 1) numbers: e and the c_i."""

Per = Literal["tensor", "row", "column"]


def affine(coefficients: Coefficients, experts: int, per: Per = "tensor") -> Operator:
    """The operator with these coefficients. `row` reads everything once, the others twice."""
    match per:
        case "tensor":
            return OfTensors(coefficients)
        case "row":
            return OfRows(coefficients, experts)
        case "column":
            return OfColumns(coefficients, experts)


@dataclass(frozen=True)
class OfTensors:
    coefficients: Coefficients
    buffers: int = 3
    grain: Grain = "elements"

    def start(self, tensor: Tensor) -> Callable[[Tile], F32]:
        factors = self.coefficients(tensor.gram()).astype(np.float32)

        def merge(tile: Tile) -> F32:
            base = tile.base(0)
            deltas = ((i, tile.delta(i, base, 2)) for i in tile.present)
            return _combine(base, deltas, factors, tile.buffer(1))

        return merge


@dataclass(frozen=True)
class OfRows:
    """One set of coefficients for each row of the last axis; a tensor of one axis is one row."""

    coefficients: Coefficients
    experts: int
    grain: Grain = "rows"

    @property
    def buffers(self) -> int:
        # Twice: beside what an operator counts, the products of a tile are float64.
        return 2 * (2 + self.experts)

    def start(self, tensor: Tensor) -> Callable[[Tile], F32]:
        columns = row_length(tensor.shape)

        def merge(tile: Tile) -> F32:
            base, update = tile.base(0).reshape(-1, columns), tile.buffer(1).reshape(-1, columns)
            deltas = [
                tile.delta(i, base.reshape(-1), 2 + i).reshape(-1, columns) for i in range(self.experts)
            ]
            # (K + 1, rows, 1): one factor for each row.
            factors = self.coefficients(_grams([base, *deltas])).T[..., None].astype(np.float32)
            return _combine(base, enumerate(deltas), factors, update).reshape(-1)

        return merge


@dataclass(frozen=True)
class OfColumns:
    """One set of coefficients for each position behind the first axis; a tensor of one axis is one column."""

    coefficients: Coefficients
    experts: int

    grain: Grain = "elements"

    @property
    def buffers(self) -> int:
        return 2 * (2 + self.experts)

    def start(self, tensor: Tensor) -> Callable[[Tile], F32]:
        if len(tensor.shape) < 2:
            return OfTensors(self.coefficients).start(tensor)
        columns = prod(tensor.shape[1:])
        factors = self.coefficients(self._grams(tensor, columns)).T.astype(np.float32, order="C")

        def merge(tile: Tile) -> F32:
            base = tile.base(0)
            mine = factors[:, np.arange(tile.start, tile.start + tile.size) % columns]
            deltas = ((i, tile.delta(i, base, 2)) for i in tile.present)
            return _combine(base, deltas, mine, tile.buffer(1))

        return merge

    def _grams(self, tensor: Tensor, columns: int) -> F64:
        """(columns, K + 1, K + 1); every sum goes down its column from the first row to the last."""
        count = 1 + self.experts
        sums = np.zeros((count, count, columns))
        for tile in tensor.tiles(self.buffers):
            base = tile.base(0)
            rows = [base, *(tile.delta(i, base, 2 + i) for i in range(self.experts))]
            wide = [row.astype(np.float64) for row in rows]
            at = 0
            while at < tile.size:
                column = (tile.start + at) % columns
                here = slice(at, min(tile.size, at + columns - column))
                for i in range(count):
                    for j in range(i, count):
                        sums[i, j, column : column + here.stop - at] += wide[i][here] * wide[j][here]
                at = here.stop
        for i in range(count):
            sums[i:, i] = sums[i, i:]
        return np.moveaxis(sums, -1, 0)


def _combine(base: F32, deltas: Iterable[tuple[int, F32]], factors: Sequence[F32] | F32, update: F32) -> F32:
    """The merged values, in the memory of `update`. Factor 0 is e, factor i + 1 the c of expert i."""
    np.multiply(base, factors[0], out=update)
    for i, delta in deltas:
        np.multiply(delta, factors[1 + i], out=delta)
        np.add(update, delta, out=update)
    return add_update(base, update)


def _grams(rows: Sequence[F32]) -> F64:
    """(r, n, n) inner products, row by row, of n matrices with r rows; each sum is pairwise along its row."""
    wide = [row.astype(np.float64) for row in rows]
    result = np.empty((len(wide[0]), len(rows), len(rows)))
    for i, left in enumerate(wide):
        for j in range(i, len(wide)):
            result[:, i, j] = result[:, j, i] = np.add.reduce(left * wide[j], axis=1)
    return result
