"""breadcrumbs_ties: drop the largest and the smallest changes, elect a sign, combine what agrees.

Model Breadcrumbs, arXiv 2312.06795. Unlike mergekit 0.1.5: float32 with one rounding at the end, and equals
at the thresholds by index.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from fusec.runtime.kernels.merge.sparse import Sparse, each
from fusec.runtime.kernels.merge.sparsify.outliers import Outliers


def operator(
    weights: Sequence[float],
    *,
    density: float | Sequence[float],
    gamma: float,
    scale: float,
    normalize: bool,
    rescale: Literal["l1", "none"],
) -> Sparse:
    densities = each(density, len(weights))
    return Sparse(tuple(weights), densities, Outliers(densities, gamma), rescale, True, normalize, scale)
