"""task_arithmetic: the base plus the scaled sum of what each expert changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fusec.runtime.kernels.merge.codec import F32
from fusec.runtime.kernels.merge.operator import Grain, Tensor, Tile, add_update, total_weight


@dataclass(frozen=True)
class TaskArithmetic:
    """`B + scale * (sum_i w_i (X_i - B)) / z`, rounded to float32 after each of these operations."""

    weights: tuple[np.float32, ...]
    z: np.float32
    scale: np.float32
    buffers: int = 3
    grain: Grain = "elements"

    def start(self, tensor: Tensor) -> Callable[[Tile], F32]:
        return self.merge

    def merge(self, tile: Tile) -> F32:
        base, update = tile.base(0), tile.buffer(1)
        if not tile.present:
            return base
        first, *others = tile.present
        self._term(tile, base, first, buffer=1)
        for i in others:
            np.add(update, self._term(tile, base, i, buffer=2), out=update)
        np.divide(update, self.z, out=update)
        np.multiply(update, self.scale, out=update)
        return add_update(base, update)

    def _term(self, tile: Tile, base: F32, i: int, buffer: int) -> F32:
        delta = tile.delta(i, base, buffer)
        return np.multiply(delta, self.weights[i], out=delta)


def operator(weights: Sequence[float], *, scale: float, normalize: bool) -> TaskArithmetic:
    """Task arithmetic over experts with these weights, divided by their sum if `normalize`."""
    z = total_weight(weights) if normalize else np.float32(1)
    return TaskArithmetic(tuple(map(np.float32, weights)), z, np.float32(scale))
