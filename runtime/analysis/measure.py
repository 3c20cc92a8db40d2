"""Columns of one range of a tensor, from tiles that come in order.

A tile is a whole number of chunks inside one block and one leaf; only the end of a tensor is ragged, and
there it is filled up with zeros. What is added up is added chunk by chunk, so tiles leave no trace.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusec.compiler.reads.grid import block_count
from fusec.runtime.analysis.content import Hashes
from fusec.runtime.analysis.inner import CHUNK, F32, F64, LEAF, inner_products
from fusec.runtime.analysis.sketch import WIDTH, sketch_chunks
from fusec.runtime.kernels.merge.codec import STORED, decode
from fusec.runtime.sources.safetensors_header import TensorInfo

Flags = NDArray[np.bool_]
BUCKETS = 1 << 15
_SIGNLESS = {"BF16": 0x7FFF, "F16": 0x7FFF, "F32": 0x7FFF_FFFF}
_LARGEST = float(np.finfo(np.float32).max)
_INFINITY = {"BF16": 0x7F80, "F16": 0x7C00, "F32": 0x7F80_0000}


@dataclass(frozen=True, eq=False)
class Tile:
    """Decoded weights: (chunks, CHUNK), zero where they are not finite and past the end. `bad`: where not."""

    values: F32
    elements: int
    bad: Flags | None
    largest: np.float32
    nonfinite: int
    _norm2: F64
    _sketch: F64
    _zeros: int


class WeightMeter:
    """The columns of one stored tensor from flat index `start` to `stop`: see `tables.ModelTable`."""

    def __init__(self, info: TensorInfo, start: int, stop: int, block: int) -> None:
        blocks = block_count(stop - start, block)
        self.hashes = Hashes(block)
        self.norm2, self.sketch = np.zeros(blocks), np.zeros((blocks, WIDTH))
        self.largest = np.zeros(blocks, np.float32)
        self.zeros, self.nonfinite = np.zeros(blocks, np.int64), np.zeros(blocks, np.int64)
        self._info, self._at, self._start, self._block = info, start, start, block

    @property
    def floating(self) -> bool:
        return self._info.dtype in STORED

    def opaque(self, raw: NDArray[np.uint8], elements: int) -> None:
        """The next stored bytes of a dtype that is not decoded."""
        self.hashes.add(raw, elements)
        self._at += elements

    def take(self, raw: NDArray[np.uint8], values: F32, scratch: F64) -> Tile:
        """The next stored bytes. `values` (chunks, CHUNK) receives them; `scratch` is (2, chunks, CHUNK)."""
        tile = self._measured(raw.view(STORED[self._info.dtype]), values, scratch)
        self.repeat(tile, raw)
        return tile

    def repeat(self, tile: Tile, raw: NDArray[np.uint8]) -> None:
        """The next stored bytes, known to be those that a tile of an equal tensor was taken from."""
        at = (self._at - self._start) // self._block
        self.hashes.add(raw, tile.elements)
        self._at += tile.elements
        for norm2, sketch in zip(tile._norm2, tile._sketch, strict=True):
            self.norm2[at] += norm2
            self.sketch[at] += sketch
        self.largest[at] = max(self.largest[at], tile.largest)
        self.zeros[at] += tile._zeros
        self.nonfinite[at] += tile.nonfinite

    def _measured(self, stored: NDArray, values: F32, scratch: F64) -> Tile:
        dtype, count = self._info.dtype, stored.size
        flat = values.reshape(-1)
        decode(stored, dtype, flat[:count])
        flat[count:] = 0
        bits: NDArray[Any] = stored.view(np.uint32 if dtype == "F32" else np.uint16)
        magnitudes = bits & _SIGNLESS[dtype]
        zeros, nonfinite, bad = count - int(np.count_nonzero(magnitudes)), 0, None
        top = magnitudes.max()
        if top >= _INFINITY[dtype]:
            bad = np.zeros(values.shape, np.bool_)
            bad.reshape(-1)[:count] = magnitudes >= _INFINITY[dtype]
            values[bad] = 0
            nonfinite = int(bad.sum())
            top = magnitudes[magnitudes < _INFINITY[dtype]].max(initial=0)
        largest = np.zeros(1, np.float32)
        decode(np.array([top], bits.dtype).view(stored.dtype), dtype, largest)
        np.copyto(scratch[0], values)
        norm2 = inner_products(scratch[:1], scratch[1:])[:, 0, 0]
        sketch = sketch_chunks(values, self._info.elements, self._at // CHUNK, scratch)
        return Tile(values, count, bad, largest[0], nonfinite, norm2, sketch, zeros)


class ChangeMeter:
    """The columns of the changes of K experts between two flat indices: see `tables.ChangeTable`.

    With `gram` also the inner products among them, the base first: `grams` (blocks, 1+K, 1+K) and `leaves`
    (leaves, 1+K, 1+K).
    """

    def __init__(self, experts: int, start: int, stop: int, block: int, *, gram: bool) -> None:
        blocks, leaves = block_count(stop - start, block), block_count(stop - start, LEAF)
        shape = (experts, blocks)
        self.norm2, self.l1, self.with_base = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        self.largest, self.nonfinite = np.zeros(shape, np.float32), np.zeros(shape, np.int64)
        square = (experts + 1, experts + 1)
        self.grams = np.zeros((blocks, *square) if gram else (0, 0, 0))
        self.leaves = np.zeros((leaves, *square) if gram else (0, 0, 0))
        self._start, self._block = start, block

    def add_magnitudes(self, expert: int, at: int, magnitudes: F32) -> None:
        """The magnitudes of a change from flat index `at` on: (chunks, CHUNK), as all that follows."""
        block = (at - self._start) // self._block
        self.largest[expert, block] = max(self.largest[expert, block], magnitudes.max())
        for chunk in np.add.reduce(magnitudes, axis=-1):
            self.l1[expert, block] += chunk

    def add_change(self, expert: int, at: int, base: F64, change: F64, scratch: F64) -> None:
        """A change of one expert and the base's weights."""
        block = (at - self._start) // self._block
        for sums, factor in ((self.norm2, change), (self.with_base, base)):
            np.multiply(factor, change, out=scratch)
            for chunk in np.add.reduce(scratch, axis=-1):
                sums[expert, block] += chunk

    def add_changes(self, at: int, rows: F64, experts: list[int], scratch: F64) -> None:
        """The base and the changes of `experts`: `rows` (1+k, chunks, CHUNK). The others' are zero."""
        block, leaf = (at - self._start) // self._block, (at - self._start) // LEAF
        members = [0, *(expert + 1 for expert in experts)]
        where = np.ix_(members, members)
        for products in inner_products(rows, scratch):
            self.grams[block][where] += products
            self.leaves[leaf][where] += products
            self.with_base[experts, block] += products[0, 1:]
            self.norm2[experts, block] += products.diagonal()[1:]

    def count_nonfinite(self, expert: int, at: int, count: int) -> None:
        self.nonfinite[expert, (at - self._start) // self._block] += count


def difference(expert: Tile, base: Tile, out: F32) -> int:
    """Writes `expert - base` to `out`, zero where it is not finite; says in how many places that is so."""
    with np.errstate(over="ignore"):
        np.subtract(expert.values, base.values, out=out)
    bad = [tile.bad for tile in (expert, base) if tile.bad is not None]
    if float(expert.largest) + float(base.largest) > _LARGEST:
        bad.append(~np.isfinite(out))
    if not bad:
        return 0
    where = np.logical_or.reduce(bad)
    out[where] = 0
    return int(where.sum())


def count_magnitudes(magnitudes: F32) -> NDArray[np.int64]:
    """How many of flat `magnitudes` are in each bucket, by their upper 15 bits, up to the largest one's."""
    return np.bincount((magnitudes.view(np.uint32) >> 16).astype(np.int64))
