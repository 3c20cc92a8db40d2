"""Which options of a block are worth keeping, for many blocks at once.

An option is a set of reads with a cost and the squared error that it leaves. One that costs no less than
another and leaves no less error is dropped. Of the others, those on the lower convex hull are what a greedy
choice walks along: the error removed per byte falls from each to the next.
"""

from __future__ import annotations

import numpy as np

from fusec.compiler.reads.columns import F64, I64, Flags

FLAT = 2.0**-40
"""Slopes this close, relatively, are one: an option between them is no corner, only rounding."""


def undominated(left: F64) -> Flags:
    """(N, L) bool for errors (N, L) of options in ascending cost: which leave less than every cheaper one.

    The first option (nothing) and the last (everything) always stay, so that a large budget reads all.
    """
    least = np.minimum.accumulate(left, axis=1)
    kept = np.ones(left.shape, bool)
    kept[:, 1:-1] = left[:, 1:-1] < least[:, :-2]
    return kept


def corners(cost: I64, left: F64, kept: Flags) -> Flags:
    """(N, L) bool: the kept options on the lower hull. `cost` (N, L) ascends strictly where kept."""
    rows, levels = left.shape
    every = np.arange(rows)
    hull = np.zeros(left.shape, bool)
    hull[:, 0] = True
    at = np.zeros(rows, np.int64)
    column = np.arange(levels)
    while (at < levels - 1).any():
        ahead = kept & (column > at[:, None])
        run = np.where(ahead, cost - cost[every, at][:, None], 1)
        slope = np.where(ahead, (left[every, at][:, None] - left) / run, -np.inf)
        best = slope.max(axis=1, initial=-np.inf)
        near = ahead & (slope >= (best - np.abs(best) * FLAT)[:, None])
        farthest = levels - 1 - np.argmax(near[:, ::-1], axis=1)
        at = np.where(at < levels - 1, farthest, at)
        hull[every, at] = True
    return hull
