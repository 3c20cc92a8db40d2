"""dare_ties: drop changes at random, elect a sign per element, combine those that agree.

DARE, arXiv 2311.03099. Unlike mergekit 0.1.5: masks that depend on no order of work, float32 with one
rounding at the end, and a rescale that knows no absolute limits.
"""

from __future__ import annotations

from collections.abc import Sequence

from fusec.runtime.kernels.merge.sparse import Rescale, Sparse, each
from fusec.runtime.kernels.merge.sparsify.bernoulli import Bernoulli


def operator(
    weights: Sequence[float],
    *,
    density: float | Sequence[float],
    scale: float,
    normalize: bool,
    rescale: Rescale,
    seed: int,
) -> Sparse:
    densities = each(density, len(weights))
    return Sparse(tuple(weights), densities, Bernoulli(densities, seed), rescale, True, normalize, scale)
