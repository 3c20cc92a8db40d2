"""The factor `|d|_1 / |d masked|_1` of a tensor of an expert, which makes up for what its mask drops.

mergekit takes 1 where one of the sums is below 1e-7; here only where nothing is left.

Sums are float64: `CHUNK` elements pairwise from fixed places of the tensor on, then all chunks exactly. Their
bits depend on the numbers alone. The pass that sums up remembers what the masks left, a bit for an element,
unless that takes more than `REMEMBERED` bytes; drawing and ranking once more costs several times as much.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusec.runtime.kernels.merge.codec import F32
from fusec.runtime.kernels.merge.operator import Tensor
from fusec.runtime.kernels.merge.sparsify import Mask

CHUNK = 1 << 12
PART = 1 << 20  # elements that one thread sums up at a time
REMEMBERED = 1 << 25  # of all experts of a tensor
_NONE = np.zeros(0, np.bool_)
_BUFFERS = 8  # the base, a delta, scratch of its mask, and what that takes


class L1(NamedTuple):
    """Of each expert its factor, 1 without a mask, and a mask that leaves the same as the one it had."""

    factors: list[float]
    masks: list[Mask | None]


class ChunkSums:
    """Sums of values that come piece by piece, chunk by chunk of `CHUNK` elements."""

    def __init__(self) -> None:
        self._open = np.zeros(CHUNK)
        self._filled = 0
        self._sums: list[float] = []

    def add(self, values: F32) -> None:
        head = min(-self._filled % CHUNK, values.size)
        self._fill(values[:head])
        whole = head + (values.size - head) // CHUNK * CHUNK
        chunks = values[head:whole].astype(np.float64).reshape(-1, CHUNK)
        self._sums += np.add.reduce(chunks, axis=1).tolist()
        self._fill(values[whole:])

    def sums(self) -> list[float]:
        """Of every chunk; nothing can be added afterwards."""
        if self._filled:
            self._fill(np.zeros(CHUNK - self._filled, np.float32))
        return self._sums

    def _fill(self, values: F32) -> None:
        """Appends less than a chunk, up to the end of the open one."""
        self._open[self._filled : self._filled + values.size] = values
        self._filled += values.size
        if self._filled == CHUNK:
            self._sums.append(float(np.add.reduce(self._open)))
            self._filled = 0


class _Part(NamedTuple):
    """Of one expert in one part: chunk sums of all sizes and of those that stay, and which ones do."""

    whole: list[float]
    kept: list[float]
    bits: NDArray[np.uint8]


def rescale_l1(tensor: Tensor, masks: Sequence[Mask | None], *, by_rows: bool) -> L1:
    """Factors and masks in one pass over the tensor, over whole rows where the masks need them."""
    masked = {i: mask for i, mask in enumerate(masks) if mask is not None}
    factors, remembered = [1.0] * len(masks), list(masks)
    if not masked:
        return L1(factors, remembered)
    columns = max(1, tensor.shape[-1]) if by_rows and tensor.shape else 1
    # A multiple of eight rows, so that each part begins with a byte of bits.
    step = max(8, PART // columns // 8 * 8) * columns
    ranges = [(at, min(at + step, tensor.elements)) for at in range(0, tensor.elements, step)]
    remember = len(masked) * tensor.elements <= 8 * REMEMBERED
    look = partial(_look, masks=masked, by_rows=by_rows, remember=remember)
    parts = tensor.spread(ranges, look)
    for i in masked:
        mine = [part[i] for part in parts]
        whole = math.fsum(size for part in mine for size in part.whole)
        kept = math.fsum(size for part in mine for size in part.kept)
        factors[i] = whole / kept if kept else 1.0
        if remember:
            remembered[i] = partial(_recall, np.concatenate([part.bits for part in mine]))
    return L1(factors, remembered)


def _look(part: Tensor, masks: dict[int, Mask], by_rows: bool, remember: bool) -> dict[int, _Part]:
    whole, kept = ({i: ChunkSums() for i in masks} for _ in range(2))
    stays: dict[int, list[NDArray[np.bool_]]] = {i: [_NONE] for i in masks}
    part = part.only(list(masks))
    for tile in part.row_tiles(_BUFFERS) if by_rows else part.tiles(_BUFFERS):
        base = tile.base(0)
        for i, mask in masks.items():
            delta = tile.delta(i, base, 1)
            sizes = np.abs(delta, out=delta)
            whole[i].add(sizes)
            mask(sizes, tile.start, tile.buffer(2))
            kept[i].add(sizes)
            if remember:
                stays[i].append(sizes != 0)  # where a zero stays makes no difference
    return {i: _Part(whole[i].sums(), kept[i].sums(), np.packbits(np.concatenate(stays[i]))) for i in masks}


def _recall(bits: NDArray[np.uint8], delta: F32, start: int, scratch: F32) -> None:
    first, skip = divmod(start, 8)
    stays = np.unpackbits(bits[first : -(-(start + delta.size) // 8)])[skip : skip + delta.size]
    np.multiply(delta, stays, out=delta)
