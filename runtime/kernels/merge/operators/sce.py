"""sce: select the elements on which the experts differ most, weigh experts by what is left, erase minorities.

Select: of the n' elements where the variance of the D_i is not zero, keep the `int(n' select_topk)` of
largest variance, of equals those of lowest flat index; all elements with `select_topk` 1. Calculate: expert i
has the share `a_i = q_i / sum q`, q_i the mean square of what is kept of it. Erase: with e the sign of
`sum_i D_i` (zero counts as +) and `M_i = 1[sgn(D_i) = e]`,

    W = B + sum_i a_i M_i D_i / max(sum_i a_i M_i, 1e-6)        FuseChat, arXiv 2408.07990

As in mergekit 0.1.5 but for: which equals are kept (there the sort decides, here the rule above, and q_i
counts all equals in proportion to how many are kept); shares are equal only where all q_i are 0, not below
1e-6, which fine-tunes with small steps reach.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fusec.runtime.analysis.sums import Sum
from fusec.runtime.kernels.merge.codec import F32
from fusec.runtime.kernels.merge.consensus import keep_positive
from fusec.runtime.kernels.merge.operator import F64, Grain, Tensor, Tile, add_update
from fusec.runtime.kernels.merge.radix import U32, Digits, bits_of, lower, upper

_FIXED = 4  # buffers besides one per expert: the base and three for sums


class Cut:
    """Which elements are kept, tile after tile in flat order: those above a bit pattern, and some equals."""

    def __init__(self, bits: int, equals: int) -> None:
        self._bits, self._equals = bits, equals

    def __call__(self, bits: U32) -> NDArray[np.bool_]:
        keep = bits > self._bits
        if self._equals:
            mine = np.flatnonzero(bits == self._bits)[: self._equals]
            keep[mine] = True
            self._equals -= mine.size
        return keep


@dataclass(frozen=True)
class Sce:
    experts: int
    select_topk: float

    @property
    def selects(self) -> bool:
        return self.select_topk < 1

    @property
    def grain(self) -> Grain:
        # Which equals are kept depends on how many came before.
        return "ordered" if self.selects else "elements"

    @property
    def buffers(self) -> int:
        return _FIXED + self.experts

    def start(self, tensor: Tensor) -> Callable[[Tile], F32]:
        if not self.selects:
            return partial(self._merge, shares=_shares(self._squares(tensor)), cut=None)
        coarse, changed = self._count(tensor)
        keep = int(changed * self.select_topk)
        if not keep:
            return lambda tile: tile.base(0)
        squares, cut = self._cut(tensor, coarse, keep)
        return partial(self._merge, shares=_shares(squares), cut=cut)

    def _deltas(self, tile: Tile, base: F32) -> list[F32]:
        return [tile.delta(i, base, _FIXED + i) for i in range(self.experts)]

    def _squares(self, tensor: Tensor) -> F64:
        """The sum of squares of each delta."""
        sums = [Sum() for _ in range(self.experts)]
        for tile in tensor.tiles(buffers=4):
            base = tile.base(0)
            for i in tile.present:
                sums[i].add(_squared(tile.delta(i, base, 1)))
        return np.array([each.value() for each in sums])

    def _count(self, tensor: Tensor) -> tuple[Digits, int]:
        """The upper halves of all variances, and how many are not zero."""
        coarse, changed = Digits(), 0
        for tile in tensor.tiles(self.buffers):
            variance = _variance(self._deltas(tile, tile.base(0)), tile)
            changed += int(np.count_nonzero(variance))
            coarse.add(upper(bits_of(variance)))
        return coarse, changed

    def _cut(self, tensor: Tensor, coarse: Digits, keep: int) -> tuple[F64, Cut]:
        """The sum of squares of what is kept of each delta, and the cut that keeps `keep` elements."""
        edge = coarse.place(keep)
        above = [Sum() for _ in range(self.experts)]
        fine, squares = Digits(), np.zeros((self.experts, 1 << 16))
        for tile in tensor.tiles(self.buffers):
            deltas = self._deltas(tile, tile.base(0))
            bits = bits_of(_variance(deltas, tile))
            tops = upper(bits)
            larger, level = np.flatnonzero(tops > edge.digit), np.flatnonzero(tops == edge.digit)
            digits = lower(bits[level])
            fine.add(digits)
            for delta, total, by_digit in zip(deltas, above, squares, strict=True):
                total.add(_squared(delta[larger]))
                # One after the other, so that tiles have no influence on the sums.
                np.add.at(by_digit, digits, _squared(delta[level]))
        last = fine.place(edge.rank)
        whole = np.array([each.value() for each in above])
        whole += np.add.reduce(squares[:, last.digit + 1 :], axis=1)
        whole += squares[:, last.digit] * (last.rank / last.equals)
        return whole, Cut(edge.digit << 16 | last.digit, last.rank)

    def _merge(self, tile: Tile, shares: Sequence[np.float32], cut: Cut | None) -> F32:
        base = tile.base(0)
        deltas = self._deltas(tile, base)
        if cut is None:
            return add_update(base, _fuse(deltas, shares))
        kept = np.flatnonzero(cut(bits_of(_variance(deltas, tile))))
        update = tile.buffer(1)
        update.fill(0)
        update[kept] = _fuse([delta[kept] for delta in deltas], shares)
        return add_update(base, update)


def operator(weights: Sequence[float], *, select_topk: float) -> Sce:
    """SCE over experts that count by what they changed."""
    return Sce(len(weights), select_topk)


def _variance(deltas: Sequence[F32], tile: Tile) -> F32:
    """K times the variance of K deltas in each element, in a buffer: it orders like the variance."""
    mean, square, total = tile.buffer(1), tile.buffer(2), tile.buffer(3)
    np.copyto(mean, deltas[0])
    for delta in deltas[1:]:
        np.add(mean, delta, out=mean)
    np.divide(mean, np.float32(len(deltas)), out=mean)
    total.fill(0)
    for delta in deltas:
        np.subtract(delta, mean, out=square)
        np.multiply(square, square, out=square)
        np.add(total, square, out=total)
    return total


def _squared(delta: F32) -> F64:
    wide = delta.astype(np.float64)
    return np.multiply(wide, wide, out=wide)


def _shares(squares: F64) -> list[np.float32]:
    total = float(np.add.reduce(squares))
    shares = squares / total if total > 0 else np.full(squares.size, 1 / squares.size)
    return list(shares.astype(np.float32))


def _fuse(deltas: Sequence[F32], shares: Sequence[np.float32]) -> F32:
    """Of each element the mean of the changes with the sign of their sum. `deltas` are overwritten."""
    sign = deltas[0].copy()
    for delta in deltas[1:]:
        np.add(sign, delta, out=sign)
    # The sum is -0.0 only where every delta is, and there the sign decides nothing.
    np.copysign(np.float32(1), sign, out=sign)
    total, divisor = np.zeros_like(sign), np.zeros_like(sign)
    for delta, share in zip(deltas, shares, strict=True):
        # Times the elected sign, agreement is being positive; it is undone at the end, exactly.
        np.multiply(delta, sign, out=delta)
        agrees = delta > 0
        keep_positive(delta)
        np.multiply(delta, share, out=delta)
        np.add(total, delta, out=total)
        np.add(divisor, np.multiply(agrees, share, out=delta), out=divisor)
    np.maximum(divisor, np.float32(1e-6), out=divisor)
    np.divide(total, divisor, out=total)
    return np.multiply(total, sign, out=total)
