"""What the catalog knows of one model, tensor by tensor, for people and tools."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fusec.compiler.reads.grid import BLOCK
from fusec.runtime.analysis.columns_store import ColumnSet, ColumnsStore
from fusec.runtime.analysis.tables import ChangeTable, ModelTable
from fusec.runtime.kernel import RunError


@dataclass(frozen=True)
class TensorRow:
    """One stored tensor. `equal` blocks hold the base's bytes; norms are 2-norms, None without a base."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    blocks: int
    nonfinite: int
    norm: float
    equal: int | None
    change: float | None
    largest_change: float | None


@dataclass(frozen=True)
class ModelReport:
    """A model by content root, and the base that it was compared with, if any; elements per block."""

    root: str
    base: str | None
    block: int
    tensors: tuple[TensorRow, ...]


def report(store: ColumnsStore, root: str, base: str | None = None) -> ModelReport:
    """What is known of content `root`, against `base` or the only base it was compared with."""
    sizes = [of.block for of in store.sets("model", root)]
    if not sizes:
        raise RunError(
            f"the catalog has no columns of {root}", hint="`fusec catalog analyze` measures a model"
        )
    block = BLOCK if BLOCK in sizes else min(sizes)
    against = [of.base for of in store.sets("change") if of.experts == (root,) and of.block == block]
    if base is None and len(against) > 1:
        raise RunError("the model was compared with several bases", hint="name one with --base")
    if base is not None and base not in against:
        raise RunError(
            "the two models were not compared", hint="`fusec catalog analyze MODEL --base BASE` does it"
        )
    base = base or next(iter(against), None)
    model = ColumnSet("model", root, (), block)
    compared = ColumnSet("change", base, (root,), block) if base else None
    changed = set(store.tensors(compared)) if compared else set()
    rows = []
    for name in store.tensors(model):
        table = store.table(model, name, ModelTable)
        change = store.table(compared, name, ChangeTable) if compared and name in changed else None
        equal = _equal_blocks(store, base, table) if base and change else None
        rows.append(_row(table, change, equal))
    return ModelReport(root, base, block, tuple(rows))


def _equal_blocks(store: ColumnsStore, base: str, table: ModelTable) -> int:
    theirs = store.table(ColumnSet("model", base, (), table.block), table.name, ModelTable)
    return int((theirs.hashes == table.hashes).all(axis=1).sum()) if theirs.dtype == table.dtype else 0


def _row(table: ModelTable, change: ChangeTable | None, equal: int | None) -> TensorRow:
    return TensorRow(
        table.name,
        table.dtype,
        table.shape,
        len(table.hashes),
        int(table.nonfinite.sum()),
        math.sqrt(np.add.reduce(table.norm2)),
        equal,
        None if change is None else math.sqrt(np.add.reduce(change.norm2)),
        None if change is None else float(change.largest.max(initial=0)),
    )
