"""The reads of one merge as a plan holds them: what to read, and how far that is from reading everything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from fusec.compiler.ir import Node
from fusec.compiler.methods.merge import MergeMethod
from fusec.compiler.reads.certificate import Certificate


class PlannedReads(msgspec.Struct, frozen=True):
    """The access set of a merge under a budget, decided before it runs.

    access    `access.encode` of the set
    hashes    16 bytes for each block that is read, by tensor, then expert, then block: what it must hash to
    grams     where the method needs them: (T, K + 1, K + 1) float64, inner products over whole tensors of the
              base and the changes, tensors in the order of the set
    resting   whether a block of which nothing is read is the base's, byte for byte
    full      bytes that a full read of the experts would take
    """

    access: bytes
    hashes: bytes
    grams: bytes
    resting: bool
    digest: str
    physical: int
    logical: int
    full: int
    slack: float
    certificate: Certificate

    def saved(self) -> float:
        """The share of a full read that is not read."""
        return 1 - self.physical / self.full if self.full else 0.0


class UnknownBlocks(msgspec.Struct, frozen=True):
    """Why reads cannot be planned: the experts' sources that the catalog knows too little of."""

    experts: tuple[str, ...]
    command: str
    bytes: int


class Planner(Protocol):
    """Plans the reads of merges from what a catalog knows."""

    def plan(self, node: Node) -> PlannedReads | UnknownBlocks | None:
        """The reads of a merge with a budget; None where only the run can decide, or nothing is left out."""

    def divide(self, nodes: Sequence[Node], budget: int) -> Sequence[int] | UnknownBlocks | None:
        """Bytes for each of several merges that share a budget; None where only the run could say."""


def rests(method: MergeMethod, weights: Sequence[float]) -> bool:
    """Whether experts that change nothing give the base: always for changes, else if weights sum to 1."""
    found = method.coefficients(weights)
    return method.of_changes or (found is not None and abs(sum(found) - 1) < 1e-9)
