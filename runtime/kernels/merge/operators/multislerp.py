"""multislerp: the weighted mean of directions, taken on the sphere in one step from their chord's mean.

Of the deltas, or weights, x_i with lengths n_i and u_i = x_i / n_i (0 for 0): `m = sum w_i u_i`, m^ its
direction, `g = sum w_i (u_i - <u_i, m^> m^)`, `y = |g| + eps`,
`(sum w_i n_i) [cos(y) m^ + sin(y) / y g]`; deltas are added to the base.

As in mergekit 0.1.5 but for three things. There eps is added to n_i as well, so that the size of changes
has an influence. Where |m| < eps, two experts are combined linearly as there, and for more the result is the
base instead of an error: above all tensors that no expert changed. One expert is scaled by its weight, which
mergekit ignores.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum

import numpy as np

from fusec.runtime.analysis.elementary import cos, sin
from fusec.runtime.kernels.merge.affine import affine
from fusec.runtime.kernels.merge.operator import F64, Operator, total_weight
from fusec.runtime.kernels.merge.spherical import Of, inner, length, vectors


def operator(weights: Sequence[float], *, normalize: bool, eps: float, of: Of) -> Operator:
    """The mean on the sphere. RunError where `normalize` and the weights sum to zero."""
    if normalize:
        total_weight(weights)
    shares = np.array(weights) / (fsum(weights) if normalize else 1.0)
    xs = vectors(len(weights), of)

    def coefficients(gram: F64) -> F64:
        point = _mean(gram, xs, shares, eps)
        if point is None:
            return np.zeros(len(gram))
        point[0] -= of == "weights"
        return point

    return affine(coefficients, len(weights))


def _mean(gram: F64, xs: F64, shares: F64, eps: float) -> F64 | None:
    """The mean by its coefficients; None where the directions cancel."""
    if len(xs) == 1:
        return shares[0] * xs[0]
    lengths = np.array([length(gram, x) for x in xs])
    directions = xs / np.where(lengths > 0, lengths, np.inf)[:, None]
    chord = np.sum(shares[:, None] * directions, axis=0)
    reach = length(gram, chord)
    if reach < eps:
        return np.sum(shares[:, None] * xs, axis=0) if len(xs) == 2 else None
    middle = chord / reach
    tangent = np.zeros_like(middle)
    for share, direction in zip(shares, directions, strict=True):
        tangent += share * (direction - inner(gram, direction, middle) * middle)
    angle = length(gram, tangent) + eps
    scale = float(np.sum(shares * lengths))
    turned = np.array(angle)
    return scale * (cos(turned) * middle + sin(turned) / angle * tangent)
