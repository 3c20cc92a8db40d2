"""ramplus_tl: `ram`, with what one expert alone changed made larger where much of its change is shared.

What expert i alone changed is multiplied by `1 + r clip(shared_i / max(unique_i, epsilon), 0, alpha)`: of
this tensor, the elements that it changed with others and alone. RAM+, arXiv 2601.13572, as in mergekit 0.1.5.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fusec.runtime.kernels.merge.codec import F32
from fusec.runtime.kernels.merge.operator import Grain, Tensor, Tile
from fusec.runtime.kernels.merge.operators.ram import Ram


@dataclass(frozen=True)
class RamPlus:
    ram: Ram
    experts: int
    r: float
    alpha: float
    grain: Grain = "elements"

    @property
    def buffers(self) -> int:
        return self.ram.buffers + self.experts

    def start(self, tensor: Tensor) -> Callable[[Tile], F32]:
        alone, shared = self._count(tensor)
        ratio = shared / np.maximum(alone, float(self.ram.epsilon))
        factors = (1 + self.r * np.clip(ratio, 0, self.alpha)).astype(np.float32)
        return partial(self.ram.merge, factors=list(factors))

    def _count(self, tensor: Tensor) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Of each expert, how many elements it changed alone, and how many with others."""
        alone, shared = np.zeros((2, self.experts), np.int64)
        for tile in tensor.tiles(self.buffers):
            base = tile.base(0)
            counts = [
                self.ram.counts(tile.delta(i, base, 1), scratch=tile.buffer(2)) for i in range(self.experts)
            ]
            several = np.add.reduce(counts, axis=0, dtype=np.uint16) > 1
            for i, mine in enumerate(counts):
                both = int(np.count_nonzero(mine & several))
                shared[i] += both
                alone[i] += int(np.count_nonzero(mine)) - both
        return alone, shared


def operator(weights: Sequence[float], *, epsilon: float, r: float, alpha: float) -> RamPlus:
    return RamPlus(Ram(np.float32(epsilon)), len(weights), r, alpha)
