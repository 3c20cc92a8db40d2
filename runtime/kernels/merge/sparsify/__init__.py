"""Which of an expert's changes in a tensor stay: one file for each way of choosing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

from fusec.runtime.kernels.merge.codec import F32
from fusec.runtime.kernels.merge.operator import Tensor

Mask = Callable[[F32, int, F32], None]
"""Zeroes, in place, what is dropped of the changes from a flat index on; takes scratch of their length."""


class Sparsifier(Protocol):
    """A rule with its parameters, for a given list of experts."""

    @property
    def grain(self) -> Literal["elements", "rows"]:
        """What masks are applied to: any range of a tensor, or whole rows of the last axis."""

    def masks(self, tensor: Tensor) -> list[Mask | None]:
        """The mask of each expert; None for one that keeps everything. Threads may share them."""
