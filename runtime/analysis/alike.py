"""Which blocks hold the same bytes, and how alike changes are by their sketches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fusec.compiler.reads.columns import F64, Flags
from fusec.runtime.analysis.tables import ModelTable
from fusec.runtime.kernels.merge.changes import Change, Source, Unchanged


def equal_blocks(
    base: ModelTable | None, tables: Sequence[ModelTable | None], changes: Sequence[Change], blocks: int
) -> tuple[Flags, NDArray[np.int32]]:
    """(K, B) which blocks hold the base's bytes, and the first expert with the same bytes."""
    count = len(tables)
    zero = np.zeros((count, blocks), np.bool_)
    owner = np.repeat(np.arange(count, dtype=np.int32)[:, None], blocks, axis=1)
    for k, (change, table) in enumerate(zip(changes, tables, strict=True)):
        zero[k] = isinstance(change, Unchanged)
        if table is None:
            continue
        if base is not None and isinstance(change, Source):
            zero[k] = _equal(table, base)
        for j in range(k):
            other = tables[j]
            if other is not None and isinstance(changes[j], type(change)):
                same = _equal(table, other) & (owner[k] == k) & (owner[j] == j)
                owner[k, same] = j
    return zero, owner


def _equal(a: ModelTable, b: ModelTable) -> Flags:
    """(B,) which blocks hold equal values of equal dtype."""
    if a.dtype != b.dtype:
        return np.zeros(len(a.hashes), np.bool_)
    equal: Flags = (a.hashes == b.hashes).all(axis=1)
    return equal


def estimated_products(
    changes: Sequence[Change], base: ModelTable, tables: Sequence[ModelTable | None], blocks: int
) -> F64:
    """(B, K, K) inner products of the sketches of the changes."""
    count = len(tables)
    gram: F64 = np.zeros((blocks, count, count))
    sketches: list[F64 | None] = []
    for change, table in zip(changes, tables, strict=True):
        sketch = None if table is None else table.sketch.astype(np.float64)
        sketches.append(sketch - base.sketch if sketch is not None and isinstance(change, Source) else sketch)
    for i, left in enumerate(sketches):
        for j, right in enumerate(sketches[: i + 1]):
            if left is not None and right is not None:
                gram[:, i, j] = gram[:, j, i] = np.add.reduce(left * right, axis=1)
    return gram
