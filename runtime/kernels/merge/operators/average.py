"""average: the mean of the experts. The base has no share in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fusec.runtime.kernels.merge.codec import F32
from fusec.runtime.kernels.merge.operator import Grain, Tensor, Tile


@dataclass(frozen=True)
class WeightedMean:
    """`sum_i w_i X_i / z`: summed in expert order, divided last."""

    weights: tuple[np.float32, ...]
    z: np.float32
    buffers: int = 2
    grain: Grain = "elements"

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


def operator(weights: Sequence[float]) -> WeightedMean:
    """The plain mean: experts count alike."""
    return WeightedMean((np.float32(1),) * len(weights), np.float32(len(weights)))
