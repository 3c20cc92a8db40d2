"""All columns of one group, gathered from its ranges: arrays for the whole tensor, a few KB per block."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fusec.compiler.reads.grid import block_count
from fusec.runtime.analysis.content import HASH_BYTES, LEAF_BYTES
from fusec.runtime.analysis.groups import Group
from fusec.runtime.analysis.inner import F32, F64, LEAF, total
from fusec.runtime.analysis.measure import ChangeMeter, WeightMeter
from fusec.runtime.analysis.sketch import WIDTH
from fusec.runtime.analysis.units import Measured

U8 = NDArray[np.uint8]
I64 = NDArray[np.int64]


class WeightColumns:
    """Of one stored tensor: see `tables.ModelTable`, and the hashes of its leaves."""

    def __init__(self, elements: int, block: int) -> None:
        blocks = block_count(elements, block)
        self.leaves: U8 = np.zeros((block_count(elements, LEAF), LEAF_BYTES), np.uint8)
        self.hashes: U8 = np.zeros((blocks, HASH_BYTES), np.uint8)
        self.norm2: F64 = np.zeros(blocks)
        self.largest: F32 = np.zeros(blocks, np.float32)
        self.nonfinite: I64 = np.zeros(blocks, np.int64)
        self.zeros: I64 = np.zeros(blocks, np.int64)
        self.sketch: F32 = np.zeros((blocks, WIDTH), np.float32)

    def put(self, block: int, leaf: int, part: WeightMeter) -> None:
        """What was measured from a block and a leaf on."""
        _put(self.leaves, leaf, _digests(part.hashes.leaves, LEAF_BYTES))
        _put(self.hashes, block, _digests(part.hashes.blocks, HASH_BYTES))
        for column in ("norm2", "largest", "nonfinite", "zeros", "sketch"):
            _put(getattr(self, column), block, getattr(part, column))


class ChangeColumns:
    """Of the changes of K experts: (K, B), see `tables.ChangeTable`; inner products as in `ChangeMeter`.

    `grams` (B, K(K+1)/2) are the upper triangles among the changes, `leaves` has the base in front.
    """

    def __init__(self, experts: int, elements: int, block: int, *, gram: bool) -> None:
        shape = experts, block_count(elements, block)
        self.norm2, self.l1, self.with_base = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        self.largest: F32 = np.zeros(shape, np.float32)
        self.nonfinite: I64 = np.zeros(shape, np.int64)
        self._triangle = np.triu_indices(experts) if gram else None
        self.grams: F64 = np.zeros((shape[1] if gram else 0, experts * (experts + 1) // 2))
        leaves = block_count(elements, LEAF) if gram else 0
        self._leaves: F64 = np.zeros((leaves, 1 + experts, 1 + experts))

    def put(self, block: int, leaf: int, part: ChangeMeter) -> None:
        """What was measured from a block and a leaf on."""
        for column in ("norm2", "l1", "with_base", "largest", "nonfinite"):
            _put(getattr(self, column).T, block, getattr(part, column).T)
        if self._triangle is not None:
            rows, columns = self._triangle
            _put(self.grams, block, part.grams[:, 1 + rows, 1 + columns])
            _put(self._leaves, leaf, part.leaves)

    def total(self) -> F64:
        """The inner products of the whole tensor, the base in front."""
        return total(self._leaves, self._leaves.shape[1])


class Columns:
    """Takes the ranges of a group in any order."""

    def __init__(self, group: Group, block: int) -> None:
        self._block, self._elements, self._ranges, self._reached = block, group.elements, 0, 0
        self.weights = [
            WeightColumns(source.tensor.elements, block) if source else None for source in group.sources()
        ]
        self.changes = ChangeColumns(len(group.experts), group.elements, block, gram=group.gram)

    @property
    def complete(self) -> bool:
        return self._ranges > 0 and self._reached == self._elements

    def put(self, start: int, stop: int, part: Measured) -> None:
        """The columns between two flat indices; every range comes once."""
        block, leaf = start // self._block, start // LEAF
        for mine, theirs in zip(self.weights, part.weights, strict=True):
            if mine and theirs:
                mine.put(block, leaf, theirs)
        self.changes.put(block, leaf, part.changes)
        self._ranges, self._reached = self._ranges + 1, self._reached + stop - start


def _put(column: NDArray, at: int, values: NDArray) -> None:
    column[at : at + len(values)] = values


def _digests(digests: list[bytes], size: int) -> U8:
    return np.frombuffer(b"".join(digests), np.uint8).reshape(-1, size)
