"""What the k largest changes of a tensor are, said in two numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusec.runtime.kernels.merge.codec import F32
from fusec.runtime.kernels.merge.operator import Tensor

U32 = NDArray[np.uint32]

_BUFFERS = 8  # the base, a delta, and what comparisons take


class Query(NamedTuple):
    """A rank from 1, the largest, to n, the smallest magnitude of an expert."""

    expert: int
    rank: int


class Cut(NamedTuple):
    """Some largest elements: those above `magnitude` (as bits), and equal ones up to flat index `last`."""

    magnitude: int
    last: int

    def above(self, bits: U32, start: int) -> NDArray[np.bool_]:
        """Which of the elements from flat index `start` on are among them."""
        inside = self.last + 1 - start
        if inside >= bits.size:
            return bits >= self.magnitude
        among = bits > self.magnitude
        if inside > 0:
            np.greater_equal(bits[:inside], self.magnitude, out=among[:inside])
        return among


def magnitude_bits(delta: F32, out: F32) -> U32:
    """The bits of |delta|, in the memory of `out`; as integers they order like the values."""
    return np.bitwise_and(delta.view(np.uint32), np.uint32(0x7FFF_FFFF), out=out.view(np.uint32))


def magnitudes(tensor: Tensor, experts: Sequence[int]) -> Iterator[tuple[int, int, U32]]:
    """Place in `experts`, flat index of the first element and bits, tile by tile; overwritten each time."""
    for tile in tensor.only(experts).tiles(_BUFFERS):
        base = tile.base(0)
        for i, expert in enumerate(experts):
            delta = tile.delta(expert, base, 1)
            yield i, tile.start, magnitude_bits(delta, out=delta)
