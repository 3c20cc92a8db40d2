"""The k-th largest magnitude of what an expert changed in a tensor: exact, without sorting or holding it.

The bits of a magnitude order like its value. Of a small tensor they are held, and a partition finds the
k-th. Of a larger one a part is held first: pieces at fixed places, from which follows a bracket for the
k-th. The rest is scanned once, counting what lies above and collecting what lies inside, so every element is
read once. Changes of 16-bit weights take few values: of a value that is frequent in the pieces a bit for each
element says where it is. In tensors too large for that it is counted tile by tile, and if it is the k-th, one
tile is read again to see which of its elements stay.
Where the sample says that too much would lie inside, one pass of counting sets the bracket. Where a bracket
misses, or holds too much after all, histograms find the k-th in more passes.

What is held is bounded for all experts together, so memory grows neither with them nor with the tensor.
Experts whose brackets do not fit next to each other are scanned one after the other: each is still read once,
and only the base again.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusec.runtime.kernels.merge.cuts import Cut, Query, magnitudes
from fusec.runtime.kernels.merge.histograms import find_by_histograms, nth_equal, upper_bins
from fusec.runtime.kernels.merge.operator import Tensor

U32 = NDArray[np.uint32]

TOGETHER = 8
"""Experts that share one pass over the base, if memory allows."""

HELD = 1 << 20  # elements of which all magnitudes are held: 4 MiB an expert
PIECE = 1 << 12  # elements of a piece of the sample
PIECES = 32  # the fewest of a tensor
APART = 1 << 18  # elements from one piece to the next of a larger one
SAMPLED = 1 << 24  # elements of all pieces of a group: 64 MiB
CANDIDATES = 12 << 20  # elements inside all brackets that are scanned together, 8 bytes each: 96 MiB
_FREQUENT = 7  # in more than one of 128 elements, as a shift
MARKED = 1 << 28  # bits that mark where the frequent values of a group are: 32 MiB
_DEVIATIONS = 6  # from the sample's k-th to the ends of the bracket
_TOP = 0x7FFF_FFFF


def find_cuts(tensor: Tensor, queries: Sequence[Query]) -> list[Cut]:
    """The cut of each query, in passes over the tensor for `TOGETHER` experts at a time."""
    experts = sorted({query.expert for query in queries})
    cuts: dict[Query, Cut] = {}
    for at in range(0, len(experts), TOGETHER):
        group = experts[at : at + TOGETHER]
        mine = [query for query in dict.fromkeys(queries) if query.expert in group]
        find = _by_partition if tensor.elements <= HELD else _by_bracket
        cuts.update(zip(mine, find(tensor, group, mine), strict=True))
    return [cuts[query] for query in queries]


def _by_partition(tensor: Tensor, experts: Sequence[int], queries: Sequence[Query]) -> list[Cut]:
    held = np.empty((len(experts), tensor.elements), np.uint32)
    for i, start, bits in magnitudes(tensor, experts):
        held[i, start : start + bits.size] = bits
    return [_select(held[experts.index(query.expert)], query.rank) for query in queries]


def _select(bits: U32, rank: int) -> Cut:
    """The cut behind the `rank` largest of a whole tensor's `bits`."""
    kth, nth = _kth(bits.copy(), rank)
    return Cut(kth, int(np.flatnonzero(bits == kth)[nth]))


def _kth(bits: U32, rank: int) -> tuple[int, int]:
    """The `rank` largest, from 1, and its number, from 0, among its equals; `bits` get another order."""
    bits.partition(bits.size - rank)
    kth = int(bits[bits.size - rank])
    return kth, rank - int(np.count_nonzero(bits > kth)) - 1


class _Bracket(NamedTuple):
    """Bits between which a k-th largest is expected.

    `frequent` are those that many elements have, largest first; `marked` says whether to note which.
    `expected` is how many others should lie inside.
    """

    low: int
    high: int
    frequent: tuple[int, ...]
    expected: int
    marked: bool = True


class _Look(NamedTuple):
    """What a range of a tensor has of one bracket; `bits` and `at` are None where they were too many."""

    start: int
    size: int
    above: int
    equals: tuple[int, ...]  # how many elements have each of the frequent bits
    others: tuple[NDArray[np.uint8], ...]  # packed: which ones have not; empty in large tensors
    bits: U32 | None  # the others inside, and where in the range they are
    at: U32 | None


class _Room:
    """How many candidates of one bracket are still held; threads share it."""

    def __init__(self, candidates: int) -> None:
        self._left = candidates
        self._lock = threading.Lock()

    def take(self, count: int) -> bool:
        """Whether so many more fit; once they did not, no more do."""
        with self._lock:
            self._left -= count
            return self._left >= 0


def _by_bracket(tensor: Tensor, experts: Sequence[int], queries: Sequence[Query]) -> list[Cut]:
    pieces, gaps = _layout(tensor.elements, SAMPLED // (len(experts) * PIECE))
    held = np.empty((len(experts), len(pieces), PIECE), np.uint32)
    starts = [start for start, _ in pieces]
    tensor.spread(pieces, partial(_hold, experts=experts, held=held, starts=starts))
    samples = {query: held[experts.index(query.expert)] for query in queries}
    planned = CANDIDATES - CANDIDATES // 8  # what is expected is not exact
    brackets = _brackets(tensor, samples, planned // max(Counter(query.expert for query in queries).values()))
    looks = {
        query: [_look(bits, start, bracket) for bits, start in zip(samples[query], starts, strict=True)]
        for query, bracket in brackets.items()
    }
    del held, samples  # the brackets' candidates take their place
    cuts: dict[Query, Cut] = {}
    for together in _rounds(brackets, planned):
        found = _scan(tensor, gaps, {query: brackets[query] for query in together})
        for query in together:
            mine = looks.pop(query) + found.pop(query)
            cut = _resolve(tensor, sorted(mine, key=lambda look: look.start), brackets[query], query)
            del mine  # before others are collected
            if cut is not None:
                cuts[query] = cut
    missed = [query for query in queries if query not in cuts]
    cuts.update(zip(missed, find_by_histograms(tensor, missed), strict=True))
    return [cuts[query] for query in queries]


def _brackets(tensor: Tensor, samples: Mapping[Query, U32], most: int) -> dict[Query, _Bracket]:
    """The bracket of each query whose sample (pieces, PIECE) says that no more than `most` lie inside."""
    bounds = {query: _bounds(pieces, query.rank / tensor.elements) for query, pieces in samples.items()}
    brackets = {query: _bracket(samples[query], *bounds[query], tensor.elements) for query in samples}
    wide = [query for query, bracket in brackets.items() if bracket.expected > most]
    for query, (top, _) in zip(wide, upper_bins(tensor, wide), strict=True):
        brackets[query] = _bracket(samples[query], max(1, top << 16), top << 16 | 0xFFFF, tensor.elements)
    marks = tensor.elements * sum(len(bracket.frequent) for bracket in brackets.values())
    return {
        query: bracket._replace(marked=marks <= MARKED)
        for query, bracket in brackets.items()
        if bracket.expected <= most
    }


def _rounds(brackets: Mapping[Query, _Bracket], planned: int) -> list[list[Query]]:
    """The queries that are scanned together, those of an expert always."""
    rounds: list[list[Query]] = []
    left = -1
    for expert in dict.fromkeys(query.expert for query in brackets):
        mine = [query for query in brackets if query.expert == expert]
        expected = sum(brackets[query].expected for query in mine)
        if expected > left:
            rounds.append([])
            left = planned
        rounds[-1] += mine
        left -= expected
    return rounds


def _layout(elements: int, most: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """The pieces of the sample and the gaps between them; each piece lies elsewhere in its stretch."""
    count = max(PIECES, min(most, elements // APART))
    stretch = elements // count
    # Steps of the golden ratio: no period that rows or columns could have.
    starts = [j * stretch + int(j * 0.6180339887498949 % 1 * (stretch - PIECE)) for j in range(count)]
    pieces = [(start, start + PIECE) for start in starts]
    edges = [0, *(edge for piece in pieces for edge in piece), elements]
    return pieces, [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b]


def _hold(part: Tensor, experts: Sequence[int], held: U32, starts: Sequence[int]) -> None:
    """Writes the bits of a piece to its place in `held` (experts, pieces, PIECE)."""
    for i, start, bits in magnitudes(part, experts):
        piece = bisect_right(starts, start) - 1
        at = start - starts[piece]
        held[i, piece, at : at + bits.size] = bits


def _bounds(pieces: U32, share: float) -> tuple[int, int]:
    """Bits between which the last of the largest `share` should lie, judging by the pieces (rows)."""
    flat = np.sort(pieces, axis=None)
    above = (pieces > _from_top(flat, share)).mean(axis=1)
    # Elements of a piece resemble each other, so it is pieces that are counted. Each stretch has one, so what
    # differs between regions is no error of the sample: only what differs between neighbours is.
    pairs = len(pieces) // 2
    apart = float(np.linalg.norm(above[0 : 2 * pairs : 2] - above[1 : 2 * pairs : 2])) / (2 * pairs)
    off = _DEVIATIONS * apart + PIECES / flat.size
    # Zeros need no looking at: whether they are kept or not, they are zeros.
    low = max(1, _from_top(flat, share + off)) if share + off < 1 else 1
    high = max(low, _from_top(flat, share - off)) if share > off else _TOP
    return low, high


def _bracket(pieces: U32, low: int, high: int, elements: int) -> _Bracket:
    inside = pieces[(pieces >= low) & (pieces <= high)]
    values, counts = np.unique(inside, return_counts=True)
    often = counts > pieces.size >> _FREQUENT
    expected = int(counts[~often].sum()) * elements // pieces.size
    return _Bracket(low, high, tuple(values[often][::-1].tolist()), expected)


def _from_top(rising: U32, share: float) -> int:
    return int(rising[max(0, rising.size - 1 - int(share * rising.size))])


def _scan(
    tensor: Tensor, ranges: Sequence[tuple[int, int]], brackets: Mapping[Query, _Bracket]
) -> dict[Query, list[_Look]]:
    """What the ranges have of each bracket, whose candidates all together are held."""
    spare = (CANDIDATES - sum(bracket.expected for bracket in brackets.values())) // len(brackets)
    rooms = {query: _Room(bracket.expected + spare) for query, bracket in brackets.items()}
    parts = tensor.spread(ranges, partial(_scan_part, brackets=brackets, rooms=rooms))
    return {query: [look for looks in parts for look in looks[query]] for query in brackets}


def _scan_part(
    part: Tensor, brackets: Mapping[Query, _Bracket], rooms: Mapping[Query, _Room]
) -> dict[Query, list[_Look]]:
    looks: dict[Query, list[_Look]] = {query: [] for query in brackets}
    experts = sorted({query.expert for query in brackets})
    for i, start, bits in magnitudes(part, experts):
        for query, bracket in brackets.items():
            if query.expert == experts[i]:
                look = _look(bits, start, bracket)
                assert look.at is not None
                fits = rooms[query].take(look.at.size)
                looks[query].append(look if fits else look._replace(bits=None, at=None))
    return looks


def _look(bits: U32, start: int, bracket: _Bracket) -> _Look:
    above = int(np.count_nonzero(bits > bracket.high))
    # Unsigned, so what lies below wraps round to far above.
    inside = bits - np.uint32(bracket.low) <= bracket.high - bracket.low
    equals, packed = [], []
    for value in bracket.frequent:
        others = bits != value
        equals.append(bits.size - int(np.count_nonzero(others)))
        if bracket.marked:
            packed.append(np.packbits(others))
        inside &= others
    at = np.flatnonzero(inside)
    return _Look(start, bits.size, above, tuple(equals), tuple(packed), bits[at], at.astype(np.uint32))


def _resolve(tensor: Tensor, looks: Sequence[_Look], bracket: _Bracket, query: Query) -> Cut | None:
    """The cut from looks at the whole tensor in flat order; None where they do not hold it."""
    rank = query.rank - sum(look.above for look in looks)
    if rank < 1 or any(look.bits is None for look in looks):
        return None
    bits = np.concatenate([look.bits for look in looks if look.bits is not None])
    for n, value in enumerate(bracket.frequent):
        larger = int(np.count_nonzero(bits > value))
        if rank <= larger:
            break
        counts = np.cumsum([look.equals[n] for look in looks])
        if rank <= larger + counts[-1]:
            here = int(np.searchsorted(counts, rank - larger))
            nth = rank - larger - (int(counts[here - 1]) if here else 0)
            return Cut(value, _nth_frequent(tensor, looks[here], n, nth, query.expert, value))
        rank -= int(counts[-1])
    if rank > bits.size:
        return Cut(0, tensor.elements - 1) if bracket.low == 1 else None
    kth, nth = _kth(bits, rank)
    return Cut(kth, _nth_inside(looks, kth, nth))


def _nth_inside(looks: Sequence[_Look], kth: int, nth: int) -> int:
    """The flat index of candidate number `nth`, from 0, of those with the bits `kth`."""
    for look in looks:
        assert look.bits is not None and look.at is not None
        equals = np.flatnonzero(look.bits == kth)
        if nth < equals.size:
            return look.start + int(look.at[equals[nth]])
        nth -= equals.size
    raise AssertionError("fewer candidates than were counted")


def _nth_frequent(tensor: Tensor, look: _Look, n: int, nth: int, expert: int, value: int) -> int:
    """The flat index of the `nth` element of a look that has its frequent value number `n`."""
    if not look.others:
        part = tensor.part(look.start, look.start + look.size)
        return nth_equal(part, expert, value, nth)
    equals = np.flatnonzero(np.unpackbits(look.others[n], count=look.size) == 0)
    return look.start + int(equals[nth - 1])
