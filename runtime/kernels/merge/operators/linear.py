"""linear: the weighted sum of the experts, divided by the sum of the weights if `normalize`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fusec.runtime.kernels.merge.operator import total_weight
from fusec.runtime.kernels.merge.operators.average import WeightedMean


def operator(weights: Sequence[float], *, normalize: bool) -> WeightedMean:
    """`sum_i w_i X_i / z`. RunError where the weights cannot be normalized."""
    z = total_weight(weights) if normalize else np.float32(1)
    return WeightedMean(tuple(map(np.float32, weights)), z)
