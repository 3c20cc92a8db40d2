"""Collects what was measured, tensor by tensor, into the sets that the catalog keeps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fusec.runtime.analysis.columns_store import ColumnSet
from fusec.runtime.analysis.content import HASH_BYTES, content_root, tensor_root
from fusec.runtime.analysis.groups import Group
from fusec.runtime.analysis.inner import total
from fusec.runtime.analysis.measure import ChangeMeter, WeightMeter
from fusec.runtime.analysis.tables import ChangeTable, GramTable, ModelTable
from fusec.runtime.analysis.units import Measured
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

    def __init__(self, folders: Sequence[Path], block: int) -> None:
        self._folders, self._block = folders, block
        self._tensor_roots: list[dict[str, bytes]] = [{} for _ in folders]
        self._nonfinite: list[dict[str, int]] = [{} for _ in folders]
        self._bytes = [0 for _ in folders]
        # Encoded tables by tensor; inner products wait for the order of the experts, that of their roots.
        self._weights: list[dict[str, bytes]] = [{} for _ in folders]
        self._changes: list[dict[str, bytes]] = [{} for _ in folders]
        self._products: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def add(self, owned: Owned, parts: Sequence[Measured]) -> None:
        """All ranges of one group, in order."""
        group = owned.group
        for number, source in enumerate(group.sources()):
            if source:
                meters = [meter for part in parts if (meter := part.weights[number])]
                self._add_weights(owned.owner + number, source.tensor, meters)
        if owned.compared:
            changes = [part.changes for part in parts]
            name = group.base.tensor.name
            for number, change in enumerate(group.experts):
                if change:
                    table = self._change(name, number, changes, group.histograms[number])
                    self._changes[1 + number][name] = table.encode()
            if group.gram:
                size = 1 + len(group.experts)
                leaves = [leaf for change in changes for leaf in change.leaves]
                blocks = np.concatenate([change.grams[:, 1:, 1:] for change in changes])
                self._products[name] = blocks, total(leaves, size)

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

    def sets(self, *, family: bool, gram: bool) -> Iterator[tuple[ColumnSet, dict[str, bytes]]]:
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
            order = sorted(range(len(experts)), key=lambda expert: experts[expert])
            family_set = ColumnSet("gram", base, tuple(experts[i] for i in order), self._block)
            yield family_set, {name: self._gram(name, order).encode() for name in self._products}

    def _add_weights(self, model: int, info: TensorInfo, meters: Sequence[WeightMeter]) -> None:
        leaves = [leaf for meter in meters for leaf in meter.hashes.leaves]
        hashes = b"".join(digest for meter in meters for digest in meter.hashes.blocks)
        table = ModelTable(
            info.name,
            info.dtype,
            info.shape,
            self._block,
            tensor_root(info.name, info.dtype, info.shape, leaves),
            np.frombuffer(hashes, np.uint8).reshape(-1, HASH_BYTES),
            np.concatenate([meter.norm2 for meter in meters]),
            np.concatenate([meter.largest for meter in meters]),
            np.concatenate([meter.nonfinite for meter in meters]),
            np.concatenate([meter.zeros for meter in meters]),
            np.concatenate([meter.sketch for meter in meters]).astype(np.float32),
        )
        if info.name not in self._tensor_roots[model]:  # a tied embedding stands for the head as well
            self._bytes[model] += info.bytes
        self._tensor_roots[model][info.name] = table.root
        self._nonfinite[model][info.name] = int(table.nonfinite.sum())
        self._weights[model][info.name] = table.encode()

    def _change(
        self, name: str, number: int, parts: Sequence[ChangeMeter], histogram: np.ndarray
    ) -> ChangeTable:
        return ChangeTable(
            name,
            self._block,
            np.concatenate([part.norm2[number] for part in parts]),
            np.concatenate([part.l1[number] for part in parts]),
            np.concatenate([part.with_base[number] for part in parts]),
            np.concatenate([part.largest[number] for part in parts]),
            np.concatenate([part.nonfinite[number] for part in parts]),
            histogram,
        )

    def _gram(self, name: str, order: Sequence[int]) -> GramTable:
        blocks, whole = self._products[name]
        rows, columns = np.triu_indices(len(order))
        at = np.array(order, np.int64)
        with_base = np.array([0, *(expert + 1 for expert in order)], np.int64)
        return GramTable(
            name, self._block, blocks[:, at[rows], at[columns]], whole[with_base[:, None], with_base]
        )
