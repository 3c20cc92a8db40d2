"""What a merge asks of the planner: how its change depends on the blocks read, and what a read costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fusec.compiler.reads.columns import F64, TensorColumns

Coefficients = Callable[[str], F64]
"""Name of a tensor -> (K,) float64: the factor of each expert's change in that tensor."""


@dataclass(frozen=True)
class Additive:
    """The change is `sum_k c_k d_k` with coefficients that do not depend on what is read: any subset may be.

    `masked` says that each expert's change passes a mask of its own, as in dare and della; its coefficient
    then includes the largest factor of the rescaling (`w / p`). Inner products of the masked changes are
    unknown, so such a tensor is planned and bounded from norms.
    """

    coefficients: Coefficients
    masked: bool = False

    @property
    def kind(self) -> str:
        return "masked" if self.masked else "additive"


@dataclass(frozen=True)
class WholeBlocks:
    """A block is merged from all experts or stays as the base has it.

    `bound2(columns, coefficients)` gives (B,) float64, an upper bound of the squared norm of the full
    merge's change in each block: what leaving the block out costs. See `bounds` for those of our methods.
    Experts whose coefficient is 0 are not read.
    """

    coefficients: Coefficients
    bound2: Callable[[TensorColumns, F64], F64]

    @property
    def kind(self) -> str:
        return "whole blocks"


@dataclass(frozen=True)
class Request:
    """A merge to plan reads for.

    page       physical reads start and end at multiples of it: 4096 on a disk, 1 for range requests
    gap        two ranges of a file that lie at most this many bytes apart become one read
    base_norm  2-norm of the base's weights, where it is known: errors are then also told relative to them
    precision  significand bits of the output's narrowest dtype (8 bfloat16, 11 float16, 24 float32): the
               cast's share of the error is then told too
    """

    method: Additive | WholeBlocks
    page: int = 4096
    gap: int = 0
    base_norm: float | None = None
    precision: int | None = None
