"""expo: beyond the experts, away from the base."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from fusec.compiler.methods.merge import Budget, MergeMethod


class Expo(MergeMethod, name="expo", family="merge"):
    """Beyond the mean of the experts, by `alpha` times its distance from the base (ExPO, arXiv 2404.16792).

    The base is the model before preference training, the expert the one after it.

    Example:

    ```fuse
    model further = merge { base: base, experts: [math], method: expo(alpha: 0.3) }
    ```
    """

    weighted: ClassVar[bool] = False
    local: ClassVar[bool] = True
    budget: ClassVar[Budget] = "additive"

    alpha: float = 0.1

    def coefficients(self, weights: Sequence[float]) -> tuple[float, ...]:
        return ((1 + self.alpha) / len(weights),) * len(weights)
