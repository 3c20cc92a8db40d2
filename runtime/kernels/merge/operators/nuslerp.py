"""nuslerp: the point on the arc between two experts, where their weights put it.

`t = w_2 / (w_1 + w_2)`, and with a the angle of x_1 and x_2 (the experts' deltas, or weights)
`[sin((1 - t) a) x_1 + sin(t a) x_2] / sin a`, a straight line where `1 - cos(a)^2 <= 1e-16`; deltas are added
to the base. a is that of whole tensors, of rows of the last axis, or of columns along the first.
As in mergekit 0.1.5, but with float64 sums, and with no lower bound on lengths (1e-7 there): only a zero
vector counts as orthogonal to the other. Weights that sum to zero are an error, not t = 0.5.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fusec.runtime.kernels.merge.affine import Per, affine
from fusec.runtime.kernels.merge.operator import F64, Operator, total_weight
from fusec.runtime.kernels.merge.spherical import Of, cosine, gram_of_weights, point_on_arc


def operator(weights: Sequence[float], *, flatten: bool, row_wise: bool, of: Of) -> Operator:
    """Spherical interpolation of two experts. RunError where their weights sum to zero."""
    total_weight(weights)
    t = weights[1] / (weights[0] + weights[1])

    def coefficients(gram: F64) -> F64:
        g = gram_of_weights(gram) if of == "weights" else gram[..., 1:, 1:]
        c = cosine(g[..., 0, 0], g[..., 0, 1], g[..., 1, 1])
        straight = (1 - c) * (1 + c) <= 1e-16
        first, second = point_on_arc(c, t, straight)
        weighs_base = (of == "weights") & ~straight
        return np.stack([np.where(weighs_base, first + second - 1, 0.0), first, second], axis=-1)

    per: Per = "tensor" if flatten else "column" if row_wise else "row"
    return affine(coefficients, len(weights), per)
