"""The k-th largest magnitude by counting: exact and in fixed memory, whatever the numbers are.

One pass counts the upper 15 bits of all magnitudes, one the lower 16 of those in the bin where the k-th
lies. A third counts, part by part, how often the k-th occurs; the part where the last one that is kept lies
is then looked through once more.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fusec.runtime.kernels.merge.cuts import Cut, Query, magnitudes
from fusec.runtime.kernels.merge.operator import Tensor

I64 = NDArray[np.int64]
U32 = NDArray[np.uint32]

PART = 1 << 20


def find_by_histograms(tensor: Tensor, queries: Sequence[Query]) -> list[Cut]:
    """The cut of each query, in three passes over the tensor for all of them."""
    if not queries:
        return []
    tops = upper_bins(tensor, queries)
    experts, parts = _experts(queries), _parts(tensor)
    low = _Counts(experts, queries, [top for top, _ in tops])
    tensor.spread(parts, low.add)
    bottoms = [_descend(bins, rank) for bins, (_, rank) in zip(low.bins, tops, strict=True)]
    kths = [top << 16 | bottom for (top, _), (bottom, _) in zip(tops, bottoms, strict=True)]
    count = partial(_count_equal, experts=experts, queries=queries, kths=kths)
    reached = np.cumsum(tensor.spread(parts, count), axis=0)
    cuts = []
    for n, (query, kth, (_, rank)) in enumerate(zip(queries, kths, bottoms, strict=True)):
        here = int(np.searchsorted(reached[:, n], rank))
        before = int(reached[here - 1, n]) if here else 0
        cuts.append(Cut(kth, nth_equal(tensor.part(*parts[here]), query.expert, kth, rank - before)))
    return cuts


def upper_bins(tensor: Tensor, queries: Sequence[Query]) -> list[tuple[int, int]]:
    """The upper 15 bits of each query's k-th, and its rank from the top among their equals; in one pass."""
    if not queries:
        return []
    counts = _Counts(_experts(queries), queries, [None] * len(queries))
    tensor.spread(_parts(tensor), counts.add)
    return [_descend(bins, query.rank) for bins, query in zip(counts.bins, queries, strict=True)]


def _experts(queries: Sequence[Query]) -> list[int]:
    return sorted({query.expert for query in queries})


def _parts(tensor: Tensor) -> list[tuple[int, int]]:
    return [(at, min(at + PART, tensor.elements)) for at in range(0, tensor.elements, PART)]


class _Counts:
    """Bins of each query, which any thread adds to: of the upper 15 bits, or of the lower 16 below `tops`."""

    def __init__(self, experts: Sequence[int], queries: Sequence[Query], tops: Sequence[int | None]) -> None:
        self.bins: I64 = np.zeros((len(queries), 1 << 16), np.int64)
        self._experts, self._queries, self._tops = experts, queries, tops
        self._lock = threading.Lock()

    def add(self, part: Tensor) -> None:
        for i, _, bits in magnitudes(part, self._experts):
            for n, (query, top) in enumerate(zip(self._queries, self._tops, strict=True)):
                if query.expert == self._experts[i]:
                    counts = np.bincount(_digits(bits, top))
                    with self._lock:
                        self.bins[n, : counts.size] += counts


def _digits(bits: U32, top: int | None) -> U32:
    if top is None:
        return bits >> np.uint32(16)
    # Unsigned, so what lies below the bin wraps round to far above it.
    inside = bits - np.uint32(top << 16)
    return inside[inside < 1 << 16]


def _count_equal(
    part: Tensor, experts: Sequence[int], queries: Sequence[Query], kths: Sequence[int]
) -> list[int]:
    """How often each query's k-th occurs."""
    found = [0] * len(queries)
    for i, _, bits in magnitudes(part, experts):
        for n, (query, kth) in enumerate(zip(queries, kths, strict=True)):
            if query.expert == experts[i]:
                found[n] += int(np.count_nonzero(bits == kth))
    return found


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
