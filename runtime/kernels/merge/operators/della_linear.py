"""della_linear: drop changes at random, the smaller the likelier, add what stays.

DELLA-Merging, arXiv 2406.11617. Unlike mergekit 0.1.5: masks that depend on no order of work, exact ranks
over the last axis, float32 with one rounding at the end. The paper divides each change by its own
probability of staying; as in mergekit, `l1` here is one factor for a tensor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from fusec.runtime.kernels.merge.sparse import Sparse, each
from fusec.runtime.kernels.merge.sparsify.ranked import Ranked


def operator(
    weights: Sequence[float],
    *,
    density: float | Sequence[float],
    epsilon: float,
    scale: float,
    normalize: bool,
    rescale: Literal["l1", "none"],
    seed: int,
) -> Sparse:
    densities = each(density, len(weights))
    return Sparse(
        tuple(weights), densities, Ranked(densities, epsilon, seed), rescale, False, normalize, scale
    )
