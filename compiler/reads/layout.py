"""Where items lie in their files, and how many bytes reading a set of them takes off the device.

Reads of one file are sorted, those at most `gap` bytes apart become one, and each starts and ends at a
multiple of `page`. What a plan may cost is what these reads add up to, gaps and margins included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusec.compiler.reads.columns import I64, Flags


@dataclass(frozen=True, eq=False)
class Layout:
    """The N items of T tensors and K experts that lie in files, in the order of file and position.

    first  (T + 1,) int64  delimits the tensors' blocks when these are counted through
    pair   (N,) int32      `block * K + expert`
    start  (N,) int64      first page of the item, on an axis on which files stand `reach` apart
    stop   (N,) int64      end of its last page there
    files  (F,) int64      the number of each file on the axis
    """

    experts: int
    page: int
    gap: int
    first: I64
    pair: NDArray[np.int32]
    start: I64
    stop: I64
    files: I64
    reach: int

    def ranges(self, reads: Flags) -> tuple[I64, I64, I64]:
        """File, start and stop of each physical read, in order, for the items `reads` (blocks, K) bool."""
        start, stop = self._joined(reads)
        at = start // self.reach
        return self.files[at], start - at * self.reach, stop - at * self.reach

    def covered(self, reads: Flags) -> Flags:
        """(blocks, K) bool: the items that the physical reads for `reads` bring along, these included."""
        start, stop = self._joined(reads)
        at = np.searchsorted(start, self.start, "right") - 1
        inside = np.flatnonzero((at >= 0) & (self.stop <= np.append(stop, 0)[at]))
        covered = np.zeros(reads.size, bool)
        covered[self.pair[inside]] = True
        return covered.reshape(reads.shape)

    def physical(self, reads: Flags) -> int:
        """Bytes of all physical reads: from the first to the last less what lies between them."""
        start, stop = self._taken(reads)
        if not len(start):
            return 0
        between = start[1:] - stop[:-1]
        return int(stop[-1] - start[0] - between[between > self.gap].sum())

    def at_most(self, cost: I64, items: I64) -> I64:
        """What `items` more reads, together `cost` bytes, can add to the physical bytes wherever they lie."""
        return cost + items * (2 * (self.page - 1) + 2 * self.gap)

    def _joined(self, reads: Flags) -> tuple[I64, I64]:
        start, stop = self._taken(reads)
        apart = start[1:] - stop[:-1] > self.gap
        return start[np.append(True, apart)[: len(start)]], stop[np.append(apart, True)[: len(stop)]]

    def _taken(self, reads: Flags) -> tuple[I64, I64]:
        taken = np.flatnonzero(np.take(reads.reshape(-1), self.pair))
        return np.take(self.start, taken), np.take(self.stop, taken)


def lay_out(
    elements: I64, files: I64, start: I64, itemsize: I64, *, block: int, page: int, gap: int
) -> Layout:
    """`elements` (T,); `files`, `start` and `itemsize` (T, K) as in `TensorColumns`."""
    first = blocks_before(elements.tolist(), block)
    experts = files.shape[1]
    tensor, expert = np.nonzero((files >= 0) & (elements > 0)[:, None])
    numbers, file = np.unique(files[tensor, expert], return_inverse=True)
    begin, size = start[tensor, expert], itemsize[tensor, expert]
    order = np.lexsort((begin, file))
    tensor, expert, begin, size, file = (
        column[order] for column in (tensor, expert, begin, size, file.reshape(-1))
    )
    end = begin + elements[tensor] * size
    reach = (int(end.max(initial=0)) + gap) // page * page + 2 * page
    counts, lengths = np.diff(first)[tensor], block * size
    total = int(counts.sum())
    pairs, starts, stops = np.empty(total, np.int32), np.empty(total, np.int64), np.empty(total, np.int64)
    at = 0
    for count, length, pair, origin, last in zip(
        counts.tolist(),
        lengths.tolist(),
        (first[tensor] * experts + expert).tolist(),
        (begin + file * reach).tolist(),
        (end + file * reach).tolist(),
        strict=True,
    ):
        here = slice(at, at + count)
        pairs[here] = np.arange(pair, pair + count * experts, experts)
        starts[here] = np.arange(origin, origin + count * length, length)
        stops[here] = starts[here] + length
        stops[at + count - 1] = last
        at += count
    starts //= page
    starts *= page
    stops += page - 1
    stops //= page
    stops *= page
    return Layout(experts, page, gap, first, pairs, starts, stops, numbers, reach)


def blocks_before(elements: Sequence[int], block: int) -> I64:
    """(T + 1,) the number of blocks before each tensor, and of all."""
    counts: NDArray[np.int64] = -(-np.asarray(elements, np.int64) // block)
    return np.concatenate([[0], np.cumsum(counts)])
