"""The arithmetic of the merge method `median`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fusec.runtime.kernels.merge.codec import F32
from fusec.runtime.kernels.merge.operator import Grain, Operator, Tensor, Tile


@dataclass(frozen=True)
class MedianOfExperts:
    """Element by element; of an even number of experts the mean of the two in the middle."""

    experts: int
    grain: Grain = "elements"

    @property
    def buffers(self) -> int:
        return self.experts

    def start(self, tensor: Tensor) -> Callable[[Tile], F32]:
        return self.merge

    def merge(self, tile: Tile) -> F32:
        values = np.stack([tile.expert(i, buffer=i) for i in range(self.experts)])
        values.sort(axis=0)
        low, high = values[(self.experts - 1) // 2], values[self.experts // 2]
        # Halves first: the sum of two large weights may not be finite.
        return low * np.float32(0.5) + high * np.float32(0.5)


def operator(weights: Sequence[float]) -> Operator:
    """One weight for each expert; the median knows none, and the checker lets none through."""
    return MedianOfExperts(len(weights))
