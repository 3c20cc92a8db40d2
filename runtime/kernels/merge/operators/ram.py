"""ram: what one expert alone changed counts whole, what several changed counts as their mean.

With `z_i = 1[|D_i| > epsilon]` and `m = sum_i z_i`: `W = B + sum_i z_i D_i / max(m, 1)`. RAM, arXiv
2601.13572. As in mergekit 0.1.5. `epsilon` is absolute there and here: it is the user's own bound between a
change and noise, in units of weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusec.runtime.kernels.merge.codec import F32
from fusec.runtime.kernels.merge.operator import Grain, Tensor, Tile, add_update


@dataclass(frozen=True)
class Ram:
    """With `factors`, what expert i alone changed is multiplied by the i-th."""

    epsilon: np.float32
    buffers: int = 6
    grain: Grain = "elements"

    def start(self, tensor: Tensor) -> Callable[[Tile], F32]:
        return self.merge

    def merge(self, tile: Tile, factors: Sequence[np.float32] = ()) -> F32:
        base, total, changed, alone = (tile.base(0), *(tile.buffer(n) for n in (1, 2, 3)))
        total.fill(0)
        changed.fill(0)
        alone.fill(0)
        for i in tile.present:
            delta = tile.delta(i, base, 4)
            counts = self.counts(delta, scratch=tile.buffer(5))
            np.multiply(delta, counts, out=delta)
            np.add(total, delta, out=total)
            np.add(changed, counts, out=changed)
            if factors:
                np.add(alone, np.multiply(counts, factors[i], out=delta), out=alone)
        np.divide(total, np.maximum(changed, 1), out=total)
        if factors:
            np.copyto(alone, 1, where=changed != 1)
            np.multiply(total, alone, out=total)
        return add_update(base, total)

    def counts(self, delta: F32, scratch: F32) -> NDArray[np.bool_]:
        """Which elements an expert changed."""
        return np.abs(delta, out=scratch) > self.epsilon


def operator(weights: Sequence[float], *, epsilon: float) -> Ram:
    return Ram(np.float32(epsilon))
