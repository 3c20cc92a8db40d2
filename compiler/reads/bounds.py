"""How large a block's change can be, for the methods that merge a block from all experts or not at all.

Each function gives a `bound2` of `WholeBlocks`. All hold whatever the sparsification keeps, as a kept
element is never larger than `factor` times the element itself; `factor` is the largest rescaling, 1 without.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fusec.compiler.reads.columns import F64, TensorColumns

Bound2 = Callable[[TensorColumns, F64], F64]


def mean_of_agreeing(scale: float, factor: float = 1.0) -> Bound2:
    """`scale` times a weighted mean of the experts whose sign won: ties, della, sce; no weight is negative.

    An element of such a mean is at most the largest of its members, so its square is at most their sum of
    squares: `scale^2 factor^2 sum_k |d_k|^2`, whatever the weights.
    """

    def bound2(columns: TensorColumns, coefficients: F64) -> F64:
        norm2: F64 = np.where(columns.zero, 0.0, columns.norm2)[coefficients != 0].sum(axis=0)
        return (scale * factor) ** 2 * norm2

    return bound2


def sum_of_agreeing(scale: float, factor: float = 1.0) -> Bound2:
    """`scale` times a weighted sum of the experts whose sign won: breadcrumbs_ties, ties unnormalized."""

    def bound2(columns: TensorColumns, coefficients: F64) -> F64:
        norms = np.sqrt(np.where(columns.zero, 0.0, columns.norm2))
        longest: F64 = (np.abs(coefficients)[:, None] * norms).sum(axis=0)
        return (scale * factor * longest) ** 2

    return bound2


def near_swap(t: float) -> Bound2:
    """An expert's change clipped to `t` per element: at most its norm, and at most `t sqrt(n)`."""

    def bound2(columns: TensorColumns, coefficients: F64) -> F64:
        norm2: F64 = np.where(columns.zero, 0.0, columns.norm2)[coefficients != 0].sum(axis=0)
        clipped: F64 = np.minimum(norm2, t * t * columns.sizes)
        return clipped

    return bound2
