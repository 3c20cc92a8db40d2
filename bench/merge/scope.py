"""How much is run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

BUDGET = {"expert_reads": "10%"}


@dataclass(frozen=True)
class Scope:
    """How much of everything: numbers of experts, those where one number has to do, and which operators."""

    counts: Sequence[int] = (2, 4, 8, 16)
    at: int = 8
    operators_at: int = 4
    operators: Sequence[str] = ()

    def among(self, names: Sequence[str]) -> list[str]:
        """Those of the operators that were asked for, all where none was named."""
        return [name for name in names if not self.operators or name in self.operators]

    @property
    def most(self) -> int:
        return max(self.counts)
