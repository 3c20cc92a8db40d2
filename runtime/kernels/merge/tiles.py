"""The tensors and tiles that an operator sees: floats on one side, files and plans on the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from fusec.runtime.analysis.inner import LEAF, Gram, total
from fusec.runtime.kernels.merge.ahead import STRETCH
from fusec.runtime.kernels.merge.changes import LowRank, Source, Stored, Unchanged
from fusec.runtime.kernels.merge.codec import F32
from fusec.runtime.kernels.merge.match import Merge
from fusec.runtime.kernels.merge.operator import F64, Tensor, add_update
from fusec.runtime.kernels.merge.reads import split_at_blocks

if TYPE_CHECKING:
    from fusec.runtime.kernels.merge.worker import Worker

T = TypeVar("T")

# Bytes of float32 buffers per worker. A quarter of it, what a second-level cache holds, makes one worker a
# tenth faster at most; but workers pass on the interpreter between operations, and with operations that short
# two are no faster than one.
WORKING_SET = 1 << 23

# Elements that one thread takes at a time of what is added up over a tensor.
_PART = 4 * LEAF

# Buffers behind the operator's: the base under deltas, new values under an update, a product's terms.
_SPARES = 3


@dataclass
class TensorView:
    """`Tensor` of `operator.py`, or its part from flat index `begin` to `end`, as one worker reads it.

    `experts` are those that are looked at, all if None; what is read `again` is so by a later pass.
    """

    job: Merge
    worker: Worker
    begin: int = 0
    end: int | None = None
    experts: Sequence[int] | None = None
    again: bool = False

    @property
    def name(self) -> str:
        return self.job.target.name

    @property
    def shape(self) -> tuple[int, ...]:
        return self.job.base.tensor.shape

    @property
    def elements(self) -> int:
        return self.job.base.tensor.elements

    def identity(self, i: int) -> str:
        return self.worker.identities[i]

    def tiles(self, buffers: int) -> Iterator[TileView]:
        reads = self.job.reads
        yield from self._cut(tile_size(self.job, buffers), buffers, None if reads is None else reads.block)

    def row_tiles(self, buffers: int) -> Iterator[TileView]:
        columns = row_length(self.shape)
        rows = max(1, tile_size(self.job, buffers) // columns)
        yield from self._cut(rows * columns, buffers, None)

    def only(self, experts: Sequence[int]) -> TensorView:
        return replace(self, experts=experts)

    def part(self, begin: int, end: int) -> TensorView:
        return replace(self, begin=begin, end=end)

    def spread(self, ranges: Sequence[tuple[int, int]], work: Callable[[Tensor], T]) -> list[T]:
        def task(begin: int, end: int) -> Callable[[Worker], T]:
            return lambda worker: work(replace(self, worker=worker, begin=begin, end=end))

        return self.worker.shelf.share(self.name, [task(*bounds) for bounds in ranges], self.worker)

    def whole(self, buffers: int) -> Iterator[TileView]:
        yield from self._cut(max(1, self.elements), buffers, None)

    def gram(self) -> F64:
        if self.job.reads is not None and self.job.reads.gram is not None:
            return self.job.reads.gram
        ranges = [(at, min(at + _PART, self.elements)) for at in range(0, self.elements, _PART)]
        leaves = (leaf for part in self.spread(ranges, _leaves) for leaf in part)
        return total(leaves, 1 + len(self.job.experts))

    def _cut(self, size: int, buffers: int, block: int | None) -> Iterator[TileView]:
        stop = self.elements if self.end is None else self.end
        announced = self.begin
        for at, count in split_at_blocks(self.begin, stop, size, block):
            if announced < min(stop, at + count + STRETCH):
                more, announced = announced > self.begin, min(stop, at + count + 2 * STRETCH)
                self.worker.announce(self, at, announced, more=more)
            yield TileView(self.job, self.worker, at, count, buffers)


@dataclass
class TileView:
    """`Tile` of `operator.py`. Buffers from `spare` on are the engine's own."""

    job: Merge
    worker: Worker
    start: int
    size: int
    spare: int
    _base: F32 | None = None
    _held: dict[int, F32] = field(default_factory=dict)

    @cached_property
    def present(self) -> tuple[int, ...]:
        reads, stop = self.job.reads, self.start + self.size
        experts = range(len(self.job.experts)) if reads is None else reads.present(self.start, stop)
        return tuple(i for i in experts if not isinstance(self.job.experts[i], Unchanged))

    def base(self, buffer: int) -> F32:
        out = self.buffer(buffer)
        self.worker.based.add(type(self.worker.operators(self.job.target.name)))
        values, came = self.worker.look(self.job.base, self.start, out)
        self.worker.base_bytes += came
        if values is not out:
            np.copyto(out, values)
        return out

    def expert(self, i: int, buffer: int) -> F32:
        out, change = self.buffer(buffer), self.job.experts[i]
        if i not in self.present:
            np.copyto(out, self._own_base())
            return out
        match change:
            case Source():
                return self._read(i, change, out)
            case LowRank(over=Source() as over):
                return add_update(self._read(i, over, self._spare(1)), self._change(i, change, out))
            case Stored() | LowRank():
                return add_update(self._own_base(), self._change(i, change, out))
            case Unchanged():
                raise AssertionError("an unchanged expert is never present")

    def delta(self, i: int, base: F32, buffer: int) -> F32:
        out, change = self.buffer(buffer), self.job.experts[i]
        if i not in self.present:
            out.fill(0)
            return out
        match change:
            case Source():
                return np.subtract(self._values(i, change, out), base, out=out)
            case LowRank(over=Source() as over):
                new = self._read(i, over, self._spare(1))
                np.subtract(new, base, out=new)
                return np.add(new, self._change(i, change, out), out=out)
            case Stored() | LowRank():
                return self._change(i, change, out)
            case Unchanged():
                raise AssertionError("an unchanged expert is never present")

    def buffer(self, number: int) -> F32:
        return self.worker.memory.floats(self.size, number)

    def _spare(self, number: int) -> F32:
        return self.buffer(self.spare + number)

    def _read(self, i: int, source: Source, out: F32) -> F32:
        values = self._values(i, source, out)
        if values is not out:
            np.copyto(out, values)
        return out

    def _values(self, i: int, source: Source, out: F32) -> F32:
        """An expert's values, in `out` or where they are shared and stay as they are.

        Bytes that several experts share in this block are read once.
        """
        sealed = None if self.job.reads is None else (self.job.reads, i)
        owner = self._owners.get(i)
        if owner in self._held:
            return self._held[owner]
        space = out if owner is None else self._spare(_SPARES + len(self._held))
        values, came = self.worker.look(source, self.start, space, sealed)
        self.worker.expert_bytes += came
        if owner is not None:
            self._held[owner] = values
        return values

    @cached_property
    def _owners(self) -> dict[int, int]:
        """Of experts that are present and share their bytes here with another one: whose bytes they are."""
        reads = self.job.reads
        if reads is None or self.start // reads.block < (self.start + self.size - 1) // reads.block:
            return {}
        owners = {i: int(reads.owner[i, self.start // reads.block]) for i in self.present}
        counts = Counter(owners.values())
        return {i: owner for i, owner in owners.items() if counts[owner] > 1}

    def _own_base(self) -> F32:
        """The base, read once for all experts that are weights on top of it."""
        if self._base is None:
            self._base = self.base(self.spare)
        return self._base

    def _change(self, i: int, change: Stored | LowRank, out: F32) -> F32:
        if isinstance(change, Stored):
            return self._read(i, change.change, out)
        self.worker.factors(self.job, i, change).fill(out, self.start, scratch=self._spare(2))
        return out


def _leaves(part: Tensor) -> list[F64]:
    """The inner products of base and changes in every leaf of a part, which starts at one."""
    assert isinstance(part, TensorView)
    experts = range(len(part.job.experts))
    sums = Gram(1 + len(experts))
    for tile in part.tiles(1 + len(experts)):
        base = tile.base(0)
        sums.add([base, *(tile.delta(i, base, 1 + i) for i in experts)])
    return sums.leaves()


def row_length(shape: tuple[int, ...]) -> int:
    """Elements of one row: the last axis; the whole of a tensor without one."""
    return max(1, shape[-1]) if shape else 1


def tile_size(job: Merge, buffers: int) -> int:
    """Elements of a tile: a power of two, so that tiles and blocks end together."""
    held = 0 if job.reads is None else job.reads.shared()
    most = max(1, WORKING_SET // (4 * (buffers + held)))
    return 1 << (most.bit_length() - 1)
