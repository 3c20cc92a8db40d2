"""linear: the weighted sum of the experts."""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum
from typing import ClassVar

from fusec.compiler.methods.merge import Budget, MergeMethod, Passes


class Linear(MergeMethod, name="linear", family="merge"):
    """The weighted sum of the experts; with `normalize`, divided by the sum of the weights.

    A delta among them counts as the base plus the delta.

    Example:

    ```fuse
    model blend = merge { base: base, experts: [math: 0.7, code: 0.3], method: linear }
    ```
    """

    budget: ClassVar[Budget] = "additive"
    local: ClassVar[bool] = True
    of_changes: ClassVar[bool] = False

    normalize: bool = True

    @property
    def divides(self) -> bool:
        return self.normalize

    def passes(self, experts: int) -> Passes:
        return Passes(base=0, experts=1)

    def coefficients(self, weights: Sequence[float]) -> tuple[float, ...]:
        z = fsum(weights) if self.normalize else 1.0
        return tuple(weight / z for weight in weights)
