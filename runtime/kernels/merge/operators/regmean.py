"""regmean: the linear weights that come nearest to what each expert makes of its own inputs.

With `G_i = X^T X / N` of the inputs of expert i, off-diagonals times alpha, and M the mean of the experts:
`W^T = M^T + (sum G_i + ridge)^-1 sum G_i (W_i - M)^T`, which is `(sum G_i)^-1 sum G_i W_i^T` where that
exists. In directions that no input has, W is the mean: `ridge` is 1e-8 of the mean of the diagonal. Tensors
other than linear weights: M. RegMean, arXiv 2212.09849. Everything but M is float64.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fusec.runtime.kernels.merge.codec import F32
from fusec.runtime.kernels.merge.operator import F64, Grain, Tensor, Tile, add_update
from fusec.runtime.kernels.merge.operators import average
from fusec.runtime.kernels.merge.singular import one_thread, product
from fusec.runtime.kernels.merge.statistics import Look

if TYPE_CHECKING:
    from fusec.runtime.kernels.merge.statistics.grams import Grams

_RIDGE = 1e-8


def look() -> Look:
    from fusec.runtime.kernels.merge.statistics.grams import input_grams

    return input_grams


@dataclass(frozen=True)
class RegMean:
    grams: Sequence[Grams]
    alpha: float
    mean: average.WeightedMean
    buffers: int = 2
    grain: Grain = "tensor"

    def start(self, tensor: Tensor) -> Callable[[Tile], F32]:
        if not all(tensor.name in grams for grams in self.grams):
            return self.mean.merge

        def merge(tile: Tile) -> F32:
            with one_thread():
                return self._solve(tile, tensor)

        return merge

    def _solve(self, tile: Tile, tensor: Tensor) -> F32:
        """Every expert is read once: the mean and `sum G_i W_i^T` grow side by side."""
        import torch

        across = tensor.name in self.grams[0].across
        shape = tensor.shape if across else tensor.shape[::-1]
        total: F64 = np.zeros((shape[0], shape[0]))
        pulled: F64 = np.zeros(shape)
        mean = tile.buffer(0)
        mean.fill(0)
        for i, grams in enumerate(self.grams):
            expert = tile.expert(i, 1)
            np.add(mean, expert, out=mean)
            gram = grams.matrix(tensor.name, self.alpha)
            np.add(total, gram, out=total)
            np.add(pulled, product(gram, _in_first(expert, tensor, across)), out=pulled)
        np.divide(mean, np.float32(len(self.grams)), out=mean)
        ridge = _RIDGE * np.trace(total) / len(total)
        if ridge == 0:  # no token came this way
            return mean
        np.subtract(pulled, product(total, _in_first(mean, tensor, across)), out=pulled)
        total[np.diag_indices_from(total)] += ridge
        change: F64 = torch.linalg.solve(torch.from_numpy(total), torch.from_numpy(pulled)).numpy()
        update = tile.buffer(1)
        np.copyto(update, (change if across else change.T).reshape(-1), casting="same_kind")
        return add_update(mean, update)


def _in_first(weights: F32, tensor: Tensor, across: bool) -> F64:
    """(in, out) in float64; linear layers are stored as (out, in)."""
    matrix = weights.reshape(tensor.shape)
    return np.ascontiguousarray(matrix if across else matrix.T, np.float64)


def operator(weights: Sequence[float], *, measured: Sequence[Grams], alpha: float, **rest: Any) -> RegMean:
    return RegMean(measured, alpha, average.operator(weights))
