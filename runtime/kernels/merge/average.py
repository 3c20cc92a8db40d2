"""average and linear: weighted means of the experts. The base has no share in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fusec.runtime.kernels.merge.codec import F32
from fusec.runtime.kernels.merge.operator import Tensor, Tile, total_weight


@dataclass(frozen=True)
class WeightedMean:
    """`sum_i w_i X_i / z`: summed in expert order, divided last."""

    weights: tuple[np.float32, ...]
    z: np.float32
    buffers: int = 2
    splits: bool = True

    def start(self, tensor: Tensor) -> Callable[[Tile], F32]:
        return self.merge

    def merge(self, tile: Tile) -> F32:
        total = self._term(tile, 0, buffer=0)
        for i in range(1, len(self.weights)):
            np.add(total, self._term(tile, i, buffer=1), out=total)
        return np.divide(total, self.z, out=total)

    def _term(self, tile: Tile, i: int, buffer: int) -> F32:
        x = tile.expert(i, buffer)
        return np.multiply(x, self.weights[i], out=x)


def average(experts: int) -> WeightedMean:
    """The plain mean of so many experts."""
    return WeightedMean((np.float32(1),) * experts, np.float32(experts))


def linear(weights: Sequence[float], *, normalize: bool) -> WeightedMean:
    """The weighted sum, divided by the sum of the weights if `normalize`."""
    return WeightedMean(
        tuple(map(np.float32, weights)), total_weight(weights) if normalize else np.float32(1)
    )
