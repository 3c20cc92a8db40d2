"""iso_c: the sum of the changes with all its singular values made equal.

For matrices, with `sum D_i = U diag(S) V^T`: `W = B + scale * mean(S) U V^T`. Tensors of other ranks:
`B + scale * mean(D_i)`. ISO-C, arXiv 2502.04959, as in FusionBench 0.2.33, but in float64 and over the
singular values above `1e-6 S_1 max(r, c)` alone: the vectors of the others are arbitrary, and with all of
them low-rank experts would be drowned.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fusec.runtime.kernels.merge.codec import F32
from fusec.runtime.kernels.merge.operator import F64
from fusec.runtime.kernels.merge.singular import OfMatrices, factor, product, total


def operator(weights: Sequence[float], *, scale: float) -> OfMatrices:
    return OfMatrices(_combine, len(weights), scale)


def _combine(deltas: Sequence[F32]) -> F64 | None:
    parts = factor(total(deltas))
    if not parts.values.size:
        return None
    return float(np.mean(parts.values)) * product(parts.left, parts.right)
