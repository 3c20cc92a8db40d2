"""expo: beyond the experts' mean, in the direction in which it lies from the base.

`W = B + (1 + alpha) mean(D_i)`. ExPO, arXiv 2404.16792: B the model before preference training, X after it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fusec.runtime.kernels.merge.operators.task_arithmetic import TaskArithmetic


def operator(weights: Sequence[float], *, alpha: float) -> TaskArithmetic:
    ones = (np.float32(1),) * len(weights)
    return TaskArithmetic(ones, np.float32(len(weights)), np.float32(1 + alpha))
