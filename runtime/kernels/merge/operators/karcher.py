"""karcher: the mean of the experts' directions on the sphere (Karcher mean), with the mean of their lengths.

Over the experts' weights X_i of a tensor, u_i their directions, equal shares a_i: from `m = sum a_i u_i`,
normalized, repeat `g = sum a_i (q_i / sin q_i) (u_i - <m, u_i> m)` with q_i the angle of m and u_i (left out
within tol of 0 and pi), end where |g| < tol, and go to `cos|g| m + sin|g| g / |g|`. The result is
`m sum |X_i| / K`.

The iteration runs on coefficients over the Gram matrix, so the tensor is read twice whatever `max_iter` is.
As in mergekit 0.1.5, but in float64, and an expert counts in length alone where it is shorter than `tol`
times the longest; mergekit compares with `tol` itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fusec.runtime.analysis.elementary import arccos, cos, sin
from fusec.runtime.kernels.merge.affine import affine
from fusec.runtime.kernels.merge.operator import F64, Operator
from fusec.runtime.kernels.merge.spherical import inner, length, vectors


def operator(weights: Sequence[float], *, max_iter: int, tol: float) -> Operator:
    """The Karcher mean of the experts, all counting alike."""
    xs = vectors(len(weights), "weights")

    def coefficients(gram: F64) -> F64:
        lengths = np.array([length(gram, x) for x in xs])
        far = lengths > tol * np.max(lengths)
        if not np.any(far):
            return np.eye(len(gram))[0] * -1.0
        directions = xs[far] / lengths[far, None]
        point = np.mean(lengths) * _mean(gram, directions, max_iter, tol)
        point[0] -= 1
        return point

    return affine(coefficients, len(weights))


def _mean(gram: F64, directions: F64, max_iter: int, tol: float) -> F64:
    chord = np.mean(directions, axis=0)
    reach = length(gram, chord)
    m = directions[0] if reach < tol else chord / reach
    for _ in range(max_iter):
        step = np.zeros_like(m)
        for u in directions:
            c = np.clip(inner(gram, m, u), -1, 1)
            angle = float(arccos(c))
            if tol <= angle <= np.pi - tol:
                step += angle / float(sin(np.array(angle))) * (u - c * m)
        step /= len(directions)
        size = length(gram, step)
        if size < tol:
            break
        turned = np.array(size)
        m = cos(turned) * m + sin(turned) / size * step
        m /= length(gram, m)
    return m
