"""ties: trim each expert's changes to the largest, elect a sign per element, combine those that agree.

Trimming keeps exactly `k = max(1, int(density * n))` of a tensor's n changes: those of largest magnitude
and, among equals at the threshold, those of lowest flat index. The threshold is found without sorting or
holding the tensor: the bits of a magnitude order like its value, so two histogram passes over 16 bits each
find the k-th largest exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusec.runtime.kernels.merge.codec import F32
from fusec.runtime.kernels.merge.operator import Grain, Tensor, Tile, add_update

U32 = NDArray[np.uint32]

_FIXED = 4  # buffers besides one per expert: base, total, sign, divisor
_TOGETHER = 8  # experts whose histograms are filled in one pass over the base: 4 MB of them


@dataclass(frozen=True)
class Cut:
    """The smallest magnitude that is kept, as bits, and how many elements of exactly that magnitude are."""

    magnitude: int
    equals: int


@dataclass(frozen=True)
class Ties:
    """Per element, with V_i = w_i * trimmed_i and e the sign of their sum (zero counts as +):

    `B + scale * N / Q`, N the sum of the V_i of sign e, Q the sum of their w_i (1 where that is zero, and
    everywhere without `normalize`).
    """

    weights: tuple[np.float32, ...]
    density: float
    scale: np.float32
    normalize: bool
    # Which equals are kept depends on how many came before.
    grain: Grain = "ordered"

    @property
    def buffers(self) -> int:
        return _FIXED + len(self.weights)

    def start(self, tensor: Tensor) -> Callable[[Tile], F32]:
        keep = max(1, int(self.density * tensor.elements))
        trims: list[Trim] = []
        if keep < tensor.elements:
            experts = range(len(self.weights))
            groups = [experts[at : at + _TOGETHER] for at in range(0, len(experts), _TOGETHER)]
            trims = [Trim(cut) for group in groups for cut in _cuts(tensor, group, keep)]
        return lambda tile: self._merge(tile, trims)

    def _merge(self, tile: Tile, trims: Sequence[Trim]) -> F32:
        base = tile.base(0)
        values = []
        for i, w in enumerate(self.weights):
            v = tile.delta(i, base, _FIXED + i)
            if trims:
                trims[i](v, scratch=tile.buffer(1))
            values.append(np.multiply(v, w, out=v))
        update, sign = tile.buffer(1), tile.buffer(2)
        _elect(values, update, sign)
        self._combine(values, sign, update, divisor=tile.buffer(3))
        np.multiply(update, self.scale, out=update)
        return add_update(base, update)

    def _combine(self, values: Sequence[F32], sign: F32, update: F32, divisor: F32) -> None:
        update.fill(0)
        divisor.fill(0)
        for v, w in zip(values, self.weights, strict=True):
            # Times the elected sign, agreement is being positive; it is undone at the end, exactly.
            np.multiply(v, sign, out=v)
            agrees = v > 0
            np.maximum(v, 0, out=v)
            np.add(update, v, out=update)
            if self.normalize:
                np.copyto(v, agrees)
                np.multiply(v, w, out=v)
                np.add(divisor, v, out=divisor)
        if self.normalize:
            divisor[divisor == 0] = 1
            np.divide(update, divisor, out=update)
        np.multiply(update, sign, out=update)


def operator(weights: Sequence[float], *, density: float, scale: float, normalize: bool) -> Ties:
    """TIES over experts with these weights."""
    return Ties(tuple(map(np.float32, weights)), density, np.float32(scale), normalize)


def _elect(values: Sequence[F32], total: F32, sign: F32) -> None:
    """Fills `sign` with the sign of the summed values, +1 for a sum of either zero."""
    np.copyto(total, values[0])
    for v in values[1:]:
        np.add(total, v, out=total)
    # The sum is -0.0 only where every value is, and there the sign decides nothing.
    np.copysign(np.float32(1), total, out=sign)


class Trim:
    """Zeroes what a cut drops, tile after tile in flat order."""

    def __init__(self, cut: Cut) -> None:
        self._smallest = cut.magnitude
        self._equals = cut.equals

    def __call__(self, delta: F32, scratch: F32) -> None:
        """Works on `delta` in place; `scratch` is memory of the same length."""
        bits = _magnitude_bits(delta, out=scratch)
        keep = bits >= self._smallest
        if self._equals:
            equal = bits == self._smallest
            found = int(np.count_nonzero(equal))
            if found >= self._equals:
                keep[np.flatnonzero(equal)[self._equals :]] = False
                # From the next tile on, only what is larger stays.
                self._smallest += 1
            self._equals -= min(found, self._equals)
        np.multiply(delta, keep, out=delta)


def find_cuts(deltas: Callable[[], Iterable[tuple[int, F32]]], experts: int, keep: int) -> list[Cut]:
    """For each expert the cut that leaves exactly `keep` elements of its tensor.

    `deltas` gives expert number and tile, anew at each call; the tiles are overwritten.
    """
    high = np.zeros((experts, 1 << 15), np.int64)
    for i, delta in deltas():
        bits = _magnitude_bits(delta, out=delta)
        _count(high[i], np.right_shift(bits, 16, out=bits))
    tops, wanted = zip(*(_descend(histogram, keep) for histogram in high), strict=True)
    low = np.zeros((experts, 1 << 16), np.int64)
    for i, delta in deltas():
        bits = _magnitude_bits(delta, out=delta)
        # Unsigned, so what lies below the bin wraps round to far above it.
        np.subtract(bits, np.uint32(tops[i] << 16), out=bits)
        _count(low[i], np.compress(bits < 1 << 16, bits))
    ends = (_descend(histogram, rank) for histogram, rank in zip(low, wanted, strict=True))
    return [Cut(top << 16 | bottom, equals) for top, (bottom, equals) in zip(tops, ends, strict=True)]


def _cuts(tensor: Tensor, experts: range, keep: int) -> list[Cut]:
    def deltas() -> Iterable[tuple[int, F32]]:
        for tile in tensor.tiles(buffers=4):
            base = tile.base(0)
            for i, expert in enumerate(experts):
                yield i, tile.delta(expert, base, 1)

    return find_cuts(deltas, len(experts), keep)


def _magnitude_bits(delta: F32, out: F32) -> U32:
    """The bits of |delta|, in the memory of `out`; as integers they order like the values."""
    return np.bitwise_and(delta.view(np.uint32), np.uint32(0x7FFF_FFFF), out=out.view(np.uint32))


def _count(histogram: NDArray[np.int64], digits: U32) -> None:
    counts = np.bincount(digits)
    histogram[: counts.size] += counts


def _descend(histogram: NDArray[np.int64], wanted: int) -> tuple[int, int]:
    """The bin that holds the `wanted`-th largest element, and its rank from the top inside that bin."""
    above = np.cumsum(histogram[::-1])
    steps = int(np.searchsorted(above, wanted))
    inside = wanted - int(above[steps] - histogram[::-1][steps])
    return len(histogram) - 1 - steps, inside
