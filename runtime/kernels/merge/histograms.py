"""The k-th largest magnitude by counting: exact and in fixed memory, whatever the numbers are.

One pass counts the upper 15 bits of all magnitudes, one the lower 16 of those in the bin where the k-th
lies. A third counts, part by part, how often the k-th occurs; the part where the last one that is kept lies
is then looked through once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fusec.runtime.kernels.merge.cuts import Cut, Query, magnitudes
from fusec.runtime.kernels.merge.operator import Tensor

I64 = NDArray[np.int64]

PART = 1 << 20


def find_by_histograms(tensor: Tensor, queries: Sequence[Query]) -> list[Cut]:
    """The cut of each query, in three passes over the tensor for each."""
    return [_find(tensor, query) for query in queries]


def _find(tensor: Tensor, query: Query) -> Cut:
    parts = [(at, min(at + PART, tensor.elements)) for at in range(0, tensor.elements, PART)]
    high = sum(tensor.spread(parts, partial(_count_high, expert=query.expert)), _bins(15))
    top, rank = _descend(high, query.rank)
    low = sum(tensor.spread(parts, partial(_count_low, expert=query.expert, top=top)), _bins(16))
    bottom, rank = _descend(low, rank)
    kth = top << 16 | bottom
    counts = np.cumsum(tensor.spread(parts, partial(_count_equal, expert=query.expert, kth=kth)))
    here = int(np.searchsorted(counts, rank))
    before = int(counts[here - 1]) if here else 0
    return Cut(kth, nth_equal(tensor.part(*parts[here]), query.expert, kth, rank - before))


def _bins(digits: int) -> I64:
    return np.zeros(1 << digits, np.int64)


def _count_high(part: Tensor, expert: int) -> I64:
    counts = _bins(15)
    for _, _, bits in magnitudes(part, [expert]):
        counts += np.bincount(bits >> 16, minlength=counts.size)
    return counts


def _count_low(part: Tensor, expert: int, top: int) -> I64:
    counts = _bins(16)
    for _, _, bits in magnitudes(part, [expert]):
        # Unsigned, so what lies below the bin wraps round to far above it.
        inside = bits - np.uint32(top << 16)
        counts += np.bincount(inside[inside < counts.size], minlength=counts.size)
    return counts


def _count_equal(part: Tensor, expert: int, kth: int) -> int:
    return sum(int(np.count_nonzero(bits == kth)) for _, _, bits in magnitudes(part, [expert]))


def nth_equal(part: Tensor, expert: int, kth: int, nth: int) -> int:
    """The flat index of the `nth` element of a part, from 1, whose bits are `kth`."""
    equals = [start + np.flatnonzero(bits == kth) for _, start, bits in magnitudes(part, [expert])]
    return int(np.concatenate(equals)[nth - 1])


def _descend(histogram: I64, wanted: int) -> tuple[int, int]:
    """The bin that holds the `wanted`-th largest element, and its rank from the top inside that bin."""
    above = np.cumsum(histogram[::-1])
    steps = int(np.searchsorted(above, wanted))
    inside = wanted - int(above[steps] - histogram[::-1][steps])
    return len(histogram) - 1 - steps, inside
