"""How `merge` combines weights. Formulas: deltas are `expert - base`, arithmetic is fp32, one rounding.

An expert may be a delta itself. Methods of deltas (`task_arithmetic`, `ties`) take it as it is. For methods
of weights (`average`, `linear`) the expert is `base + delta`, rounded to fp32, and the base is read for it.
"""

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
    sum, `passes` what is read how often. A method of a package brings its arithmetic as
    `operator(weights, **arguments)` in its kernel, see `fusec.runtime.kernels.merge.operator`.
    """

    weighted: ClassVar[bool] = True
    joined_by = "operator"

    @property
    def divides(self) -> bool:
        return False

    def passes(self, experts: int) -> Passes:
        return Passes(base=1, experts=1)


class Average(MergeMethod, name="average", family="merge"):
    """The plain mean of the experts; the base is not part of it (model soup, arXiv 2203.05482).

    A delta among them counts as the base plus the delta.

    Example:

    ```fuse
    model soup = merge { base: base, experts: [math, code], method: average }
    ```
    """

    weighted: ClassVar[bool] = False

    def passes(self, experts: int) -> Passes:
        return Passes(base=0, experts=1)


class Linear(MergeMethod, name="linear", family="merge"):
    """The weighted sum of the experts; with `normalize`, divided by the sum of the weights.

    A delta among them counts as the base plus the delta.

    Example:

    ```fuse
    model blend = merge { base: base, experts: [math: 0.7, code: 0.3], method: linear }
    ```
    """

    normalize: bool = True

    @property
    def divides(self) -> bool:
        return self.normalize

    def passes(self, experts: int) -> Passes:
        return Passes(base=0, experts=1)


class TaskArithmetic(MergeMethod, name="task_arithmetic", family="merge"):
    """The base plus `scale` times the weighted sum of deltas (task arithmetic, arXiv 2212.04089).

    Example:

    ```fuse
    model both = merge { base: base, experts: [math, code], method: task_arithmetic(scale: 0.5) }
    ```
    """

    scale: float = 1.0
    normalize: bool = False

    @property
    def divides(self) -> bool:
        return self.normalize


class Ties(MergeMethod, name="ties", family="merge"):
    """Trim each delta to its largest entries, elect a sign per weight, average what agrees.

    `density` is the share of entries kept per tensor. TIES-Merging, arXiv 2306.01708.

    Example:

    ```fuse
    model both = merge { base: base, experts: [math, code], method: ties(density: 0.2) }
    ```
    """

    density: Annotated[float, Gt(0), Le(1)]
    scale: float = 1.0
    normalize: bool = True

    def passes(self, experts: int) -> Passes:
        # Two passes find the threshold of each delta, for groups of eight experts per scan of the base.
        return Passes(1, 1) if self.density == 1 else Passes(base=2 * ceil(experts / 8) + 1, experts=3)
