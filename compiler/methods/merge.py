"""How `merge` combines weights. Formulas: deltas are `expert - base`, arithmetic is fp32, one rounding."""

from __future__ import annotations

from math import ceil
from typing import Annotated, ClassVar, NamedTuple

from annotated_types import Gt, Le

from fusec.compiler.step import Method


class Passes(NamedTuple):
    """How often the bytes of the base and of each expert are read."""

    base: int
    experts: int


class MergeMethod(Method):
    """What planning asks of a method.

    `weighted` says whether experts may carry weights, `divides` whether the result is divided by their
    sum, `passes` what is read how often.
    """

    weighted: ClassVar[bool] = True

    @property
    def divides(self) -> bool:
        return False

    def passes(self, experts: int) -> Passes:
        return Passes(base=1, experts=1)


class Average(MergeMethod, name="average", family="merge"):
    """The plain mean of the experts; the base is not part of it (model soup, arXiv 2203.05482)."""

    weighted: ClassVar[bool] = False

    def passes(self, experts: int) -> Passes:
        return Passes(base=0, experts=1)


class Linear(MergeMethod, name="linear", family="merge"):
    """The weighted sum of the experts; with `normalize`, divided by the sum of the weights."""

    normalize: bool = True

    @property
    def divides(self) -> bool:
        return self.normalize

    def passes(self, experts: int) -> Passes:
        return Passes(base=0, experts=1)


class TaskArithmetic(MergeMethod, name="task_arithmetic", family="merge"):
    """The base plus `scale` times the weighted sum of deltas (task arithmetic, arXiv 2212.04089)."""

    scale: float = 1.0
    normalize: bool = False

    @property
    def divides(self) -> bool:
        return self.normalize


class Ties(MergeMethod, name="ties", family="merge"):
    """Trim each delta to its largest entries, elect a sign per weight, average what agrees.

    `density` is the share of entries kept per tensor. TIES-Merging, arXiv 2306.01708.
    """

    density: Annotated[float, Gt(0), Le(1)]
    scale: float = 1.0
    normalize: bool = True

    def passes(self, experts: int) -> Passes:
        # Two passes find the threshold of each delta, for groups of eight experts per scan of the base.
        return Passes(1, 1) if self.density == 1 else Passes(base=2 * ceil(experts / 8) + 1, experts=3)
