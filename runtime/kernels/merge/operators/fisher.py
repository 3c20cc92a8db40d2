"""fisher: a mean in which each weight counts by how much an expert's answers depend on it.

`W = sum_i c_i (F_i + epsilon) X_i / sum_i c_i (F_i + epsilon)`, element by element, computed as X_1 and what
the others pull it by. F_i is the mean over examples of squared gradients of the log-likelihood. c_i is the
share `a_i` of a weight in all weights; with `normalize` it is `a_i g_i / sum_j g_j`, `g_i = 1 / (|F_i| +
epsilon)` with the norm of the whole model. Fisher merging, arXiv 2111.09832, as in FusionBench 0.2.33.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fusec.runtime.kernels.merge.codec import F32
from fusec.runtime.kernels.merge.operator import Grain, Tensor, Tile, add_update
from fusec.runtime.kernels.merge.statistics import Look

if TYPE_CHECKING:
    from fusec.runtime.kernels.merge.statistics.information import Information


def look() -> Look:
    from fusec.runtime.kernels.merge.statistics.information import information

    return information


@dataclass(frozen=True)
class Fisher:
    found: Sequence[Information]
    shares: Sequence[np.float32]  # c_i
    epsilon: np.float32
    buffers: int = 5
    grain: Grain = "elements"

    def start(self, tensor: Tensor) -> Callable[[Tile], F32]:
        values = [found.flat(tensor.name) for found in self.found]

        def merge(tile: Tile) -> F32:
            first, total, pull = tile.expert(0, 0), self._counts(tile, 0, values[0], 1), tile.buffer(2)
            pull.fill(0)
            for i in range(1, len(values)):
                apart = np.subtract(tile.expert(i, 3), first, out=tile.buffer(3))
                counts = self._counts(tile, i, values[i], 4)
                np.add(total, counts, out=total)
                np.add(pull, np.multiply(apart, counts, out=apart), out=pull)
            return add_update(first, np.divide(pull, total, out=pull))

        return merge

    def _counts(self, tile: Tile, i: int, values: F32 | None, buffer: int) -> F32:
        """`c_i (F_i + epsilon)`; F is 0 for tensors that a model has no use for."""
        counts = tile.buffer(buffer)
        counts.fill(0)
        if values is not None:
            np.copyto(counts, values[tile.start : tile.start + tile.size])
        np.add(counts, self.epsilon, out=counts)
        return np.multiply(counts, self.shares[i], out=counts)


def operator(
    weights: Sequence[float],
    *,
    measured: Sequence[Information],
    normalize: bool,
    epsilon: float,
    **rest: Any,
) -> Fisher:
    shares = np.array(weights, np.float64) / np.sum(weights)
    if normalize:
        inverse = 1 / (np.array([found.norm for found in measured]) + epsilon)
        shares *= inverse / inverse.sum()
    return Fisher(measured, [np.float32(share) for share in shares], np.float32(epsilon))
