"""magmax: in each element the largest of the experts' changes.

`W = B + scale * D_i` for the i of largest |D_i|; of two that differ in sign alone, the positive one. MagMax,
arXiv 2407.06322. FusionBench 0.2.33 lets the later expert win instead, so that the order of experts counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fusec.runtime.kernels.merge.codec import F32
from fusec.runtime.kernels.merge.operator import Grain, Tensor, Tile, add_update


@dataclass(frozen=True)
class MagMax:
    scale: np.float32
    buffers: int = 4
    grain: Grain = "elements"

    def start(self, tensor: Tensor) -> Callable[[Tile], F32]:
        return self.merge

    def merge(self, tile: Tile) -> F32:
        base, high, low = tile.base(0), tile.buffer(1), tile.buffer(2)
        high.fill(0)
        low.fill(0)
        for i in tile.present:
            delta = tile.delta(i, base, 3)
            np.maximum(high, delta, out=high)
            np.minimum(low, delta, out=low)
        # The larger of the two by size, the positive one of equals.
        np.copyto(high, low, where=-low > high)
        np.multiply(high, self.scale, out=high)
        return add_update(base, high)


def operator(weights: Sequence[float], *, scale: float) -> MagMax:
    return MagMax(np.float32(scale))
