"""nearswap: from the base towards its one expert, by at most t in each element.

`W = B + clip(X - B, -t, t)`: where they are nearer than t, the expert's value. As in mergekit 0.1.5 but for
its 1e-6 under the fraction, which for smaller t kept elements from swapping that are that near.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fusec.runtime.kernels.merge.codec import F32
from fusec.runtime.kernels.merge.operator import Grain, Tensor, Tile, add_update


@dataclass(frozen=True)
class NearSwap:
    t: np.float32
    buffers: int = 2
    grain: Grain = "elements"

    def start(self, tensor: Tensor) -> Callable[[Tile], F32]:
        return self.merge

    def merge(self, tile: Tile) -> F32:
        base = tile.base(0)
        if not tile.present:
            return base
        delta = tile.delta(0, base, 1)
        return add_update(base, np.clip(delta, -self.t, self.t, out=delta))


def operator(weights: Sequence[float], *, t: float) -> NearSwap:
    return NearSwap(np.float32(t))
