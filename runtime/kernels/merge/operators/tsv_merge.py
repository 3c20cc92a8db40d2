"""tsv_merge: the leading singular directions of each expert's change, made orthogonal to each other.

Of each matrix D_i (r, c) the first `int(min(r, c) / K)` singular triples, at least one; left vectors,
values and right vectors of all experts are stacked to U, S, V, and `W = B + scale * U^ diag(S) V^T^` with U^
and V^ the nearest matrices with orthogonal columns. Tensors of other ranks: `B + scale * mean(D_i)`.
TSV-M, arXiv 2412.00081, as in FusionBench 0.2.33, but in float64, without singular values below `1e-6 S_1
max(r, c)`, and with vectors that experts share counted as one direction.
"""

from __future__ import annotations

from collections.abc import Sequence

from fusec.runtime.kernels.merge.codec import F32
from fusec.runtime.kernels.merge.operator import F64
from fusec.runtime.kernels.merge.singular import OfMatrices, factor, product, stack


def operator(weights: Sequence[float], *, scale: float) -> OfMatrices:
    return OfMatrices(_combine, len(weights), scale)


def _combine(deltas: Sequence[F32]) -> F64 | None:
    count = max(1, min(deltas[0].shape) // len(deltas))
    stacked = stack([factor(delta).first(count) for delta in deltas])
    if not stacked.values.size:
        return None
    return product(stacked.left * stacked.values, stacked.right)
