"""Measures a range of a tensor in a base and its experts, tile by tile, all of them at each tile."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fusec.runtime import aligned
from fusec.runtime.analysis.groups import Group
from fusec.runtime.analysis.inner import CHUNK, F32, F64, WORKING_SET
from fusec.runtime.analysis.measure import ChangeMeter, Tile, WeightMeter, count_magnitudes, difference
from fusec.runtime.kernels.merge.changes import Source, Stored
from fusec.runtime.ranges import RangeFile
from fusec.runtime.ranges.local import LocalFile
from fusec.runtime.sources.safetensors_header import BITS

U8 = NDArray[np.uint8]

TILE = 64 * CHUNK
"""Elements of each model at a time. With fewer, threads spend their time passing on the interpreter."""

CHANGES = 16 << 20
"""Bytes of the changes of all experts at a time: with more than 16 experts, tiles are smaller."""

# Bytes of one request to another machine.
_REQUEST = 1 << 20


class Buffers:
    """Memory of one thread at a time, used again by name."""

    def __init__(self) -> None:
        self._held: dict[str, U8] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: type) -> NDArray:
        """An uninitialised array; the one of the same name before it is gone."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        held = self._held.get(name)
        if held is None or held.size < size:
            held = self._held[name] = aligned.empty(size, np.uint8)
        return held[:size].view(dtype).reshape(shape)


@dataclass(frozen=True, eq=False)
class Measured:
    """Columns of a range: of the base and each expert (None where it stores nothing), and of the changes."""

    weights: list[WeightMeter | None]
    changes: ChangeMeter


class RangeMeter:
    """Measures flat indices `start` to `stop` of a group: whole blocks and leaves, or to the end."""

    def __init__(self, group: Group, start: int, stop: int, block: int, buffers: Buffers) -> None:
        self.tile_size = _tile_size(len(group.experts), block)
        self._group, self._buffers = group, buffers
        infos = [source.tensor if source else None for source in group.sources()]
        self._weights = [WeightMeter(info, start, stop, block) if info else None for info in infos]
        self._changes = ChangeMeter(len(group.experts), start, stop, block, gram=group.gram)

    def tile(self, at: int, count: int, stored: Callable[[int], U8]) -> None:
        """The next `count` elements: `tile_size`, fewer at the end. `stored(n)` are the bytes of source `n`.

        The bytes of source 0 have to last until the call returns, the others' until the next `stored`.
        """
        if self._group.floating:
            self._floating(at, count, stored)
        else:
            for number, meter in enumerate(self._weights):
                if meter:
                    meter.opaque(stored(number), count)

    def finish(self) -> Measured:
        for meter in self._weights:
            if meter:
                meter.hashes.finish()
        return Measured(self._weights, self._changes)

    def _floating(self, at: int, count: int, stored: Callable[[int], U8]) -> None:
        group, changes, array = self._group, self._changes, self._buffers.array
        shape = (-(-count // CHUNK), CHUNK)
        scratch = array("scratch", (2, *shape), np.float64)
        deltas = array("deltas", (len(group.experts) if group.gram else 1, *shape), np.float32)
        meter, raw = self._weights[0], stored(0)
        assert meter
        base = meter.take(raw, array("base", shape, np.float32), scratch)
        wide = array("wide base", shape, np.float64)
        np.copyto(wide, base.values)
        changed: list[int] = []
        for expert, change in enumerate(group.experts):
            if change is None:
                continue
            if self._repeats(expert, change, raw, theirs := stored(1 + expert)):
                self._unchanged(expert, at, base, theirs)
                continue
            delta = deltas[len(changed) if group.gram else 0]
            self._changed(expert, change, at, base, theirs, delta, scratch)
            if not group.gram:
                np.copyto(scratch[0], delta)
                changes.add_change(expert, at, wide, scratch[0], scratch[1])
            changed.append(expert)
        if group.gram:
            self._products(at, wide, deltas[: len(changed)], changed)

    def _repeats(self, expert: int, change: Source | Stored, base: U8, theirs: U8) -> bool:
        alike = isinstance(change, Source) and change.tensor.dtype == self._group.base.tensor.dtype
        return alike and np.array_equal(base, theirs)

    def _unchanged(self, expert: int, at: int, base: Tile, raw: U8) -> None:
        meter = self._weights[1 + expert]
        assert meter
        meter.repeat(base, raw)
        self._changes.count_nonfinite(expert, at, base.nonfinite)
        self._group.count(expert, np.array([base.elements]))

    def _changed(
        self, expert: int, change: Source | Stored, at: int, base: Tile, raw: U8, delta: F32, scratch: F64
    ) -> None:
        """Writes the change to `delta` and measures all of it that concerns one expert."""
        meter = self._weights[1 + expert]
        assert meter
        tile = meter.take(raw, delta, scratch)
        nonfinite = difference(tile, base, delta) if isinstance(change, Source) else tile.nonfinite
        self._changes.count_nonfinite(expert, at, nonfinite)
        magnitudes = scratch[0].view(np.float32).reshape(-1)[: delta.size].reshape(delta.shape)
        np.abs(delta, out=magnitudes)
        self._changes.add_magnitudes(expert, at, magnitudes)
        self._group.count(expert, count_magnitudes(magnitudes.reshape(-1)[: tile.elements]))

    def _products(self, at: int, base: F64, deltas: F32, experts: list[int]) -> None:
        """All inner products, as many chunks at a time as the cache holds."""
        count = 1 + len(deltas)
        step = max(1, WORKING_SET // (16 * count * CHUNK))
        for first in range(0, len(base), step):
            chunks = min(step, len(base) - first)
            rows, scratch = self._buffers.array("rows", (2, count, chunks, CHUNK), np.float64)
            np.copyto(rows[0], base[first : first + chunks])
            np.copyto(rows[1:], deltas[:, first : first + chunks])
            self._changes.add_changes(at + first * CHUNK, rows, experts, scratch)


def _tile_size(experts: int, block: int) -> int:
    """Elements: chunks of which a block and a leaf are multiples."""
    chunks = min(TILE, block, max(CHUNK, CHANGES // (4 * max(1, experts)))) // CHUNK
    return CHUNK << (chunks.bit_length() - 1)


class Worker:
    """Measures ranges by reading exactly their bytes; one thread at a time."""

    def __init__(self, files: Mapping[Path, RangeFile]) -> None:
        self._files, self._buffers = files, Buffers()
        # Of each source, the bytes that came ahead from another machine: tensor, first byte, bytes.
        self._ahead: dict[int, tuple[Source, int, U8]] = {}

    def measure(self, group: Group, start: int, stop: int, block: int) -> Measured:
        """The columns of all models of a group between two flat indices."""
        sources = group.sources()
        meter = RangeMeter(group, start, stop, block, self._buffers)
        for at in range(start, stop, meter.tile_size):
            count = min(meter.tile_size, stop - at)
            meter.tile(at, count, partial(self._read, sources, at, count))
        return meter.finish()

    def _read(self, sources: Sequence[Source | None], at: int, count: int, number: int) -> U8:
        source = sources[number]
        assert source
        bits = BITS[source.tensor.dtype]
        begin, end = at * bits // 8, (at + count) * bits // 8
        file = self._files[source.path]
        if not isinstance(file, LocalFile):
            return self._from_afar(file, source, number, begin, end)
        raw = self._buffers.array("expert bytes" if number else "base bytes", (end - begin,), np.uint8)
        file.read_into(raw.data, source.tensor.start + begin, f"tensor `{source.tensor.name}`")
        return raw

    def _from_afar(self, file: RangeFile, source: Source, number: int, begin: int, end: int) -> U8:
        """The same with few requests; each holds the tiles that follow."""
        held, first, raw = self._ahead.get(number, (None, 0, np.empty(0, np.uint8)))
        if held is not source or not first <= begin <= end <= first + raw.size:
            first, last = begin, max(end, min(begin + _REQUEST, source.tensor.bytes))
            raw = self._buffers.array(f"request {number}", (last - first,), np.uint8)
            file.read_into(raw.data, source.tensor.start + first, f"tensor `{source.tensor.name}`")
            self._ahead[number] = source, first, raw
        return raw[begin - first : end - first]
