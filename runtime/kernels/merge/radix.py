"""The r-th largest of numbers that are computed anew for each look at them: exact, in two looks.

The bits of float32 numbers that are not negative order like the numbers. The first look counts the upper
half of the bits, the second the lower half of those that have the upper half in question.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusec.runtime.kernels.merge.codec import F32

U32 = NDArray[np.uint32]
I64 = NDArray[np.int64]


class Place(NamedTuple):
    """Where a rank falls: its digit, its rank among those of that digit, and how many those are."""

    digit: int
    rank: int
    equals: int


class Digits:
    """How often each value of 16 bits occurs."""

    def __init__(self) -> None:
        self.counts: I64 = np.zeros(1 << 16, np.int64)

    def add(self, digits: U32) -> None:
        counts = np.bincount(digits)
        self.counts[: counts.size] += counts

    def place(self, rank: int) -> Place:
        """Where the `rank` largest is; the largest has rank 1."""
        reached = np.cumsum(self.counts[::-1])
        steps = int(np.searchsorted(reached, rank))
        digit = len(self.counts) - 1 - steps
        equals = int(self.counts[digit])
        return Place(digit, rank - int(reached[steps]) + equals, equals)


def bits_of(values: F32) -> U32:
    """The bits of numbers of at least +0, in the same memory."""
    return values.view(np.uint32)


def upper(bits: U32) -> U32:
    return np.right_shift(bits, np.uint32(16))


def lower(bits: U32) -> U32:
    return np.bitwise_and(bits, np.uint32(0xFFFF))


def number(upper: int, lower: int) -> np.float32:
    """The number with these halves of its bits."""
    return np.array([upper << 16 | lower], np.uint32).view(np.float32)[0]
