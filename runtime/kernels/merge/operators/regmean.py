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
        across = tensor.name in self.grams[0].across

        def merge(tile: Tile) -> F32:
            mean = self.mean.merge(tile)
            with one_thread():
                change = self._change(tile, mean, tensor, across)
            update = tile.buffer(1)
            np.copyto(update, (change if across else change.T).reshape(-1), casting="same_kind")
            return add_update(mean, update)

        return merge

    def _change(self, tile: Tile, mean: F32, tensor: Tensor, across: bool) -> F64:
        """(in, out): what is added to the mean."""
        import torch

        total: F64 | None = None
        wanted: F64 | None = None
        for i, grams in enumerate(self.grams):
            expert = tile.expert(i, 1).astype(np.float64)
            apart = np.subtract(expert, mean, out=expert).reshape(tensor.shape)
            gram = grams.matrix(tensor.name, self.alpha)
            pull = product(gram, apart if across else np.ascontiguousarray(apart.T))
            total = gram if total is None else np.add(total, gram, out=total)
            wanted = pull if wanted is None else np.add(wanted, pull, out=wanted)
        assert total is not None and wanted is not None, "a merge has experts"
        ridge = _RIDGE * np.trace(total) / len(total)
        if ridge == 0:
            return np.zeros_like(wanted)
        total[np.diag_indices_from(total)] += ridge
        solved: F64 = torch.linalg.solve(torch.from_numpy(total), torch.from_numpy(wanted)).numpy()
        return solved


def operator(weights: Sequence[float], *, measured: Sequence[Grams], alpha: float, **rest: Any) -> RegMean:
    return RegMean(measured, alpha, average.operator(weights))
