"""What a merge under a budget reads, counted by expert, tensor and block: for people and tools."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusec.compiler.reads.access import AccessSet, decode
from fusec.compiler.reads.planned import PlannedReads

_NUMBER = re.compile(r"(?<=\.)\d+(?=\.|$)")


class Expert(NamedTuple):
    """An expert by what specs call it and by its identity, which is also the key of a part of a family."""

    name: str
    id: str


class Count(NamedTuple):
    """Of so many blocks, those merged from their own bytes and from another expert's; bytes that are read."""

    read: int
    shared: int
    blocks: int
    bytes: int


class Run(NamedTuple):
    """Blocks `first` to `last` of a tensor, both included, that the same experts change."""

    first: int
    last: int
    experts: tuple[str, ...]


class Account:
    """The reads of one merge with the names of its experts, in the order that the access set counts them."""

    def __init__(self, planned: PlannedReads, experts: tuple[Expert, ...]) -> None:
        self.planned, self.experts = planned, experts
        self.access: AccessSet = decode(planned.access)

    @cached_property
    def sources(self) -> Mapping[str, NDArray[np.int16]]:
        """Per tensor (K, B): whose bytes an expert's block is merged from, -1 where it is not merged."""
        return self.access.sources()

    @cached_property
    def counts(self) -> Mapping[str, tuple[Count, ...]]:
        """Per tensor a count of each expert; margins of pages and gaps between blocks belong to none."""
        reads, block = self.access.reads(), self.access.block
        found = {}
        for tensor in self.access.tensors:
            sources, own = self.sources[tensor.name], reads[tensor.name]
            sizes = np.full(own.shape[1], block, np.int64)
            if tensor.elements % block:
                sizes[-1] = tensor.elements % block
            shared = (sources >= 0) & (sources != np.arange(len(sources))[:, None])
            found[tensor.name] = tuple(
                Count(int(mine.sum()), int(others.sum()), len(sizes), int(sizes[mine].sum()) * itemsize)
                for mine, others, itemsize in zip(own, shared, tensor.itemsize, strict=True)
            )
        return found

    def by_expert(self) -> tuple[Count, ...]:
        """A count of each expert over all tensors."""
        zero = (Count(0, 0, 0, 0),) * len(self.experts)
        return _sum([zero, *self.counts.values()])

    def by_class(self) -> Iterator[tuple[str, int, tuple[Count, ...]]]:
        """Tensors of all layers together, `layers.*.mlp`: their name, how many, and a count of each expert.

        Those of which most is read come first.
        """
        classes: dict[str, list[tuple[Count, ...]]] = {}
        for name, counts in self.counts.items():
            classes.setdefault(_NUMBER.sub("*", name), []).append(counts)
        found = [(name, len(members), _sum(members)) for name, members in classes.items()]
        yield from sorted(found, key=lambda one: (-sum(count.bytes for count in one[2]), one[0]))

    def origin(self, tensor: str) -> tuple[Run, ...]:
        """Which experts changed which blocks of a tensor; no expert means that the block is the base's.

        Raises `KeyError` for a tensor that is not merged.
        """
        merged = self.sources[tensor] >= 0
        edges = np.flatnonzero((merged[:, 1:] != merged[:, :-1]).any(axis=0)) + 1
        return tuple(
            Run(a, b - 1, tuple(self.experts[k].name for k in np.flatnonzero(merged[:, a])))
            for a, b in pairwise([0, *edges.tolist(), merged.shape[1]])
            if a < b
        )

    def holds(self, id: str) -> bool:
        """Whether any block of the result was made from this expert, or from any of this family."""
        rows = [k for k, expert in enumerate(self.experts) if expert.id.partition("-")[0] == id]
        return any(bool((sources[rows] >= 0).any()) for sources in self.sources.values())


def experts_in_order(slot: Any, names: Mapping[str, str]) -> tuple[Expert, ...]:
    """The experts of a merge, from its slot as `identity.plain` gives it, in the order of access sets.

    `names` has what identities are called; one that is not called anything goes by its first digits.
    """
    kind, *items = slot
    pairs = items if kind == "pairs" else [[item, None] for item in items]
    found = []
    for (_, node, key), weight in pairs:
        name = names.get(node, node[:8])
        one = Expert(f"{name}.{key}" if key else name, f"{node}-{key}" if key else node)
        found.append((one.id, 1.0 if weight is None else weight, one))
    return tuple(expert for *_, expert in sorted(found, key=lambda one: one[:2]))


def _sum(many: list[tuple[Count, ...]]) -> tuple[Count, ...]:
    return tuple(Count(*map(sum, zip(*counts, strict=True))) for counts in zip(*many, strict=True))
