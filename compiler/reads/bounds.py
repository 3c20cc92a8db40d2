"""How large a block's change can be, for the methods that merge a block from all experts or not at all."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from fusec.compiler.reads.columns import F64, TensorColumns

Bound2 = Callable[[TensorColumns, F64], F64]


def at_most(form: Literal["sum", "root"], factors: Sequence[float], clip: float = math.inf) -> Bound2:
    """The `bound2` of `WholeBlocks` for a method whose change of a block is at most, with factors f_k,

    `sum`   sum_k f_k |d_k|
    `root`  sqrt(sum_k (f_k |d_k|)^2)

    and no more than `clip` in any element.
    """
    scale = np.array(factors, np.float64)[:, None]

    def bound2(columns: TensorColumns, coefficients: F64) -> F64:
        lengths = scale * np.sqrt(np.where(columns.zero, 0.0, columns.norm2))
        found: F64 = lengths.sum(axis=0) ** 2 if form == "sum" else (lengths**2).sum(axis=0)
        bounded: F64 = np.minimum(found, clip**2 * columns.sizes)
        return bounded

    return bound2
