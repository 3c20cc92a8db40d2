"""slerp: the point on the arc between the base's weights and the expert's.

With c the cosine of their angle a over a whole tensor: `W = [sin((1 - t) a) B + sin(t a) X] / sin a`, with
their own lengths, and `W = (1 - t) B + t X` where |c| > 0.9995. A zero tensor counts as orthogonal.
Shoemake 1985; as in mergekit 0.1.5, but with c from float64 sums, and with no lower bound on lengths, below
which mergekit (1e-8) takes a tensor for zero.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fusec.runtime.kernels.merge.affine import affine
from fusec.runtime.kernels.merge.operator import F64, Operator
from fusec.runtime.kernels.merge.spherical import cosine, point_on_arc

STRAIGHT = 0.9995


def operator(weights: Sequence[float], *, t: float) -> Operator:
    """Spherical interpolation from the base to its one expert."""

    def coefficients(gram: F64) -> F64:
        bb, bd, dd = gram[..., 0, 0], gram[..., 0, 1], gram[..., 1, 1]
        c = cosine(bb, bb + bd, bb + 2 * bd + dd)
        straight = np.abs(c) > STRAIGHT
        first, second = point_on_arc(c, t, straight)
        return np.stack([np.where(straight, 0.0, first + second - 1), second], axis=-1)

    return affine(coefficients, len(weights))
