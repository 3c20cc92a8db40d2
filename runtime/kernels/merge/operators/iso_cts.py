"""iso_cts: the directions that the changes share, and those of each change beside them, all of one size.

For matrices with `q = min(r, c)`: `k = int(q common)`, `g = round((q - k) / K)`, then `k = q - K g`. The top
k singular triples of `sum D_i`, with left vectors U_k, and the top g of each `D_i - U_k U_k^T D_i` are
stacked; `W = B + scale * s U^ V^T^` with U^ and V^ the nearest matrices with orthogonal columns and s the
mean of the stacked singular values. Tensors of other ranks: `B + scale * mean(D_i)`.
ISO-CTS, arXiv 2502.04959, as in FusionBench 0.2.33 with the differences of `tsv_merge`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from fusec.runtime.kernels.merge.codec import F32
from fusec.runtime.kernels.merge.operator import F64
from fusec.runtime.kernels.merge.singular import Factored, OfMatrices, factor, product, stack, total


def operator(weights: Sequence[float], *, common: float, scale: float) -> OfMatrices:
    return OfMatrices(partial(_combine, common=common), len(weights), scale)


def _combine(deltas: Sequence[F32], common: float) -> F64 | None:
    q, experts = min(deltas[0].shape), len(deltas)
    own = min(round((q - int(q * common)) / experts), q // experts)
    shared = factor(total(deltas)).first(q - experts * own)
    parts = [shared]
    for delta in deltas if own else ():
        parts.append(_beside(shared.left, delta.astype(np.float64)).first(own))
    stacked = stack(parts)
    if not stacked.values.size:
        return None
    return float(np.mean(stacked.values)) * product(stacked.left, stacked.right)


def _beside(directions: F64, delta: F64) -> Factored:
    """What a change has beside these left directions."""
    rest = delta - product(directions, product(directions.T, delta))
    return factor(rest, size=float(np.sqrt(np.sum(delta * delta))))
