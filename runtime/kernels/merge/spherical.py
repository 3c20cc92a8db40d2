"""Angles, arcs and vectors that are known by their inner products only."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fusec.runtime.analysis.elementary import arccos, sin
from fusec.runtime.kernels.merge.operator import F64

Of = Literal["deltas", "weights"]


def gram_of_weights(gram: F64) -> F64:
    """(..., K, K): inner products of the weights B + D_i from those of B and the D_i."""
    base, cross, deltas = gram[..., :1, :1], gram[..., 1:, :1], gram[..., 1:, 1:]
    return base + cross + np.swapaxes(cross, -1, -2) + deltas


def cosine(aa: F64, ab: F64, bb: F64) -> F64:
    """The cosine of an angle from three inner products; 0 where one of the two vectors is zero."""
    # Sums for a vector of almost no length may come out below zero.
    lengths = np.sqrt(np.maximum(aa, 0)) * np.sqrt(np.maximum(bb, 0))
    return np.clip(np.divide(ab, lengths, out=np.zeros_like(lengths), where=lengths > 0), -1, 1)


def point_on_arc(cosine: F64, t: float, straight: NDArray[np.bool_]) -> tuple[F64, F64]:
    """The shares of two vectors in the point that lies `t` of the way along their arc.

    `sin((1 - t) a) / sin(a)` and `sin(t a) / sin(a)` with a their angle; where `straight`, `1 - t` and `t`.
    """
    angle = np.where(straight, 1.0, arccos(cosine))
    whole = sin(angle)
    first = np.where(straight, 1 - t, sin((1 - t) * angle) / whole)
    second = np.where(straight, t, sin(t * angle) / whole)
    return first, second


def vectors(experts: int, of: Of) -> F64:
    """(K, K + 1): what is merged of each expert, by its coefficients over B and the D_i."""
    return np.hstack([np.full((experts, 1), float(of == "weights")), np.eye(experts)])


def inner(gram: F64, p: F64, q: F64) -> float:
    """The inner product of two vectors given by their coefficients over what `gram` is the matrix of."""
    return float(np.sum(p[:, None] * gram * q))


def length(gram: F64, p: F64) -> float:
    return float(np.sqrt(max(inner(gram, p, p), 0.0)))
