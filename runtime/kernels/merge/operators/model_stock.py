"""model_stock: from the base towards the experts' mean, as far as their changes agree in direction.

Of a tensor, or of each row with `filter_wise`: c the mean cosine of pairs of deltas,
`t = K c / (1 + (K - 1) c)` (0 where the divisor is within 1e-6 of 0), `W = B + t mean(D_i)`. t is not
clamped: below c = 0 the result goes away from the experts. A delta of zero has c = 0 with all others.
Model Stock, arXiv 2403.19522. As in mergekit 0.1.5, but with float64 sums, and without its lower bound of
1e-6 on products of lengths, which pulls small changes towards the base.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from fusec.runtime.kernels.merge.affine import affine
from fusec.runtime.kernels.merge.operator import F64, Operator
from fusec.runtime.kernels.merge.spherical import cosine


def operator(weights: Sequence[float], *, filter_wise: bool) -> Operator:
    """Model Stock over at least two experts."""
    experts = len(weights)
    pairs = list(combinations(range(1, 1 + experts), 2))

    def coefficients(gram: F64) -> F64:
        total = np.zeros(gram.shape[:-2])
        for i, j in pairs:
            total += cosine(gram[..., i, i], gram[..., i, j], gram[..., j, j])
        c = total / len(pairs)
        divisor = 1 + (experts - 1) * c
        meets = np.abs(divisor) > 1e-6
        t = np.where(meets, experts * c / np.where(meets, divisor, 1.0), 0.0)
        shares = np.repeat(t[..., None] / experts, 1 + experts, axis=-1)
        shares[..., 0] = 0
        return shares

    return affine(coefficients, experts, "row" if filter_wise else "tensor")
