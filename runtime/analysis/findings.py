"""Collects what was measured, tensor by tensor, into the sets that the catalog keeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fusec.runtime.analysis.columns import ChangeColumns, Columns, WeightColumns
from fusec.runtime.analysis.columns_store import ColumnSet
from fusec.runtime.analysis.content import content_root, tensor_root
from fusec.runtime.analysis.groups import Group
from fusec.runtime.analysis.spill import Spill, SpilledTables
from fusec.runtime.analysis.tables import ChangeTable, GramTable, ModelTable
from fusec.runtime.sources.safetensors_header import TensorInfo


@dataclass(frozen=True)
class AnalysedModel:
    """What a model turned out to be. `nonfinite`: tensor -> elements that are infinite or not a number."""

    folder: Path
    root: str
    tensors: int
    bytes: int
    nonfinite: dict[str, int]


@dataclass(frozen=True, eq=False)
class Owned:
    """A group whose `base` belongs to the model number `owner`; its experts are the models 1, 2, ..."""

    group: Group
    owner: int
    compared: bool = False


class Findings:
    """The columns of some models, in the order of `folders`, and of the changes against the first one."""

    def __init__(self, folders: Sequence[Path], block: int, spill: Spill) -> None:
        self._folders, self._block = folders, block
        self._tensor_roots: list[dict[str, bytes]] = [{} for _ in folders]
        self._nonfinite: list[dict[str, int]] = [{} for _ in folders]
        self._bytes = [0 for _ in folders]
        # Encoded tables by tensor; inner products wait for the order of the experts, that of their roots.
        self._weights = [SpilledTables(spill) for _ in folders]
        self._changes = [SpilledTables(spill) for _ in folders]
        self._products, self._ordered = SpilledTables(spill), SpilledTables(spill)

    def add(self, owned: Owned, columns: Columns) -> None:
        """The columns of one group, all of them."""
        group, name = owned.group, owned.group.base.tensor.name
        for number, (source, weights) in enumerate(zip(group.sources(), columns.weights, strict=True)):
            if source and weights:
                self._add_weights(owned.owner + number, source.tensor, weights)
        if owned.compared:
            for number, change in enumerate(group.experts):
                if change:
                    table = self._change(name, number, columns.changes, group.histogram(number))
                    self._changes[1 + number][name] = table.encode()
            if group.gram:
                changes = columns.changes
                self._products[name] = GramTable(name, self._block, changes.grams, changes.total()).encode()

    def roots(self) -> list[str]:
        """The content root of each model."""
        return [content_root(roots.values()) for roots in self._tensor_roots]

    def models(self) -> tuple[AnalysedModel, ...]:
        facts = zip(
            self._folders, self.roots(), self._tensor_roots, self._bytes, self._nonfinite, strict=True
        )
        return tuple(
            AnalysedModel(folder, root, len(tensors), size, {n: c for n, c in sorted(bad.items()) if c})
            for folder, root, tensors, size, bad in facts
        )

    def sets(self, *, family: bool, gram: bool) -> Iterator[tuple[ColumnSet, Mapping[str, bytes]]]:
        """Everything that was found, by what it is about."""
        roots = self.roots()
        for root, weights in zip(roots, self._weights, strict=True):
            yield ColumnSet("model", root, (), self._block), weights
        if not family:
            return
        base, experts = roots[0], roots[1:]
        for root, changes in zip(experts, self._changes[1:], strict=True):
            yield ColumnSet("change", base, (root,), self._block), changes
        if gram:
            order = np.array(sorted(range(len(experts)), key=lambda expert: experts[expert]), np.int64)
            for name, table in self._products.items():
                self._ordered[name] = GramTable.decode(table).ordered(order).encode()
            family_set = ColumnSet("gram", base, tuple(experts[i] for i in order), self._block)
            yield family_set, self._ordered

    def _add_weights(self, model: int, info: TensorInfo, columns: WeightColumns) -> None:
        table = ModelTable(
            info.name,
            info.dtype,
            info.shape,
            self._block,
            tensor_root(info.name, info.dtype, info.shape, columns.leaves),
            columns.hashes,
            columns.norm2,
            columns.largest,
            columns.nonfinite,
            columns.zeros,
            columns.sketch,
        )
        if info.name not in self._tensor_roots[model]:  # a tied embedding stands for the head as well
            self._bytes[model] += info.bytes
        self._tensor_roots[model][info.name] = table.root
        self._nonfinite[model][info.name] = int(table.nonfinite.sum())
        self._weights[model][info.name] = table.encode()

    def _change(
        self, name: str, number: int, columns: ChangeColumns, histogram: NDArray[np.int64]
    ) -> ChangeTable:
        return ChangeTable(
            name,
            self._block,
            columns.norm2[number],
            columns.l1[number],
            columns.with_base[number],
            columns.largest[number],
            columns.nonfinite[number],
            histogram,
        )
