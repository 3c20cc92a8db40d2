"""ties: trim each expert's changes to the largest, elect a sign per element, combine those that agree.

TIES-Merging, arXiv 2306.01708. Unlike mergekit 0.1.5: float32 with one rounding at the end, equals at the
threshold by index, and a rescale that knows no absolute limits. The paper trims over the whole model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from fusec.runtime.kernels.merge.sparse import Sparse, each
from fusec.runtime.kernels.merge.sparsify.magnitude import Magnitude


def operator(
    weights: Sequence[float],
    *,
    density: float | Sequence[float],
    scale: float,
    normalize: bool,
    rescale: Literal["l1", "none"] = "none",
) -> Sparse:
    densities = each(density, len(weights))
    return Sparse(tuple(weights), densities, Magnitude(densities), rescale, True, normalize, scale)
