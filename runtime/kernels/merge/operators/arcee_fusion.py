"""arcee_fusion: the expert's changes where they are important, the base elsewhere.

Of each row (last axis; a tensor of one axis is one row) with P and Q the softmax of X and B plus 1e-8:
importance `I = |X - B| sum P ln(P / Q)`. Over the whole tensor, with quartiles `q(f) = sorted I[floor(f (n -
1))]`: `W = X where I >= q(1/2) + 1.5 (q(3/4) - q(1/4))`, else B. Arcee Fusion of mergekit.

Unlike mergekit 0.1.5: quartiles are exact, not those of a million random elements; sums are float64, where
float32 loses the divergence of fine-tunes of one base, about 1e-7, in its rounding; the result has the
base's type.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fusec.runtime.analysis.elementary import exp, log_of_quotients
from fusec.runtime.kernels.merge.codec import F32
from fusec.runtime.kernels.merge.operator import F64, Grain, Tensor, Tile, add_update
from fusec.runtime.kernels.merge.radix import Digits, bits_of, lower, number, upper
from fusec.runtime.kernels.merge.tiles import row_length

_QUARTILES = (0.25, 0.5, 0.75)
_COUNTING = 8  # buffers: base, delta, importance, and what digits take
_MEASURING = 19  # beside the first three, eight float64 numbers an element for the divergences


@dataclass(frozen=True)
class ArceeFusion:
    buffers: int = 4
    grain: Grain = "rows"

    def start(self, tensor: Tensor) -> Callable[[Tile], F32]:
        columns = row_length(tensor.shape)
        divergences, coarse = self._measure(tensor, columns)
        ranks = [tensor.elements - int(f * (tensor.elements - 1)) for f in _QUARTILES]
        places = [coarse.place(rank) for rank in ranks]
        fine = {place.digit: Digits() for place in places}
        for tile in tensor.row_tiles(_COUNTING):
            bits = bits_of(_importance(tile, tile.delta(0, tile.base(0), 1), divergences, columns))
            tops = upper(bits)
            for digit, digits in fine.items():
                digits.add(lower(np.compress(tops == digit, bits)))
        first, middle, third = (
            number(place.digit, fine[place.digit].place(place.rank).digit) for place in places
        )
        least = middle + np.float32(1.5) * (third - first)

        def merge(tile: Tile) -> F32:
            base = tile.base(0)
            delta = tile.delta(0, base, 1)
            np.multiply(delta, _importance(tile, delta, divergences, columns) >= least, out=delta)
            return add_update(base, delta)

        return merge

    def _measure(self, tensor: Tensor, columns: int) -> tuple[F32, Digits]:
        """The divergence of each row, and the upper halves of all importances."""
        divergences = np.zeros(tensor.elements // columns, np.float32)
        coarse = Digits()
        for tile in tensor.row_tiles(_MEASURING):
            base = tile.base(0)
            delta = tile.delta(0, base, 1)
            first = tile.start // columns
            wide = base.reshape(-1, columns).astype(np.float64)
            changed = wide + delta.reshape(-1, columns)
            divergences[first : first + len(wide)] = _divergence(changed, wide)
            coarse.add(upper(bits_of(_importance(tile, delta, divergences, columns))))
        return divergences, coarse


def operator(weights: Sequence[float]) -> ArceeFusion:
    return ArceeFusion()


def _importance(tile: Tile, delta: F32, divergences: F32, columns: int) -> F32:
    """Of the elements of a tile, in buffer 2."""
    first, out = tile.start // columns, tile.buffer(2)
    rows = np.abs(delta, out=out).reshape(-1, columns)
    rows *= divergences[first : first + len(rows), None]
    return out


def _divergence(x: F64, b: F64) -> F64:
    """Of each row, `sum P ln(P / Q)`; never below zero, as the sums of P and Q are equal."""
    p, q = _softmax(x), _softmax(b)
    logs = log_of_quotients(p, q)
    return np.maximum(np.add.reduce(np.multiply(logs, p, out=logs), axis=1), 0)


def _softmax(x: F64) -> F64:
    powers = exp(x - x.max(axis=1, keepdims=True))
    powers /= np.add.reduce(powers, axis=1, keepdims=True)
    powers += 1e-8
    return powers
