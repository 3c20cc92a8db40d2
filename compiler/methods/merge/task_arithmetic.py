"""task_arithmetic: the base plus the scaled sum of changes."""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum
from typing import ClassVar

from fusec.compiler.methods.merge import Budget, MergeMethod


class TaskArithmetic(MergeMethod, name="task_arithmetic", family="merge"):
    """The base plus `scale` times the weighted sum of deltas (task arithmetic, arXiv 2212.04089).

    Example:

    ```fuse
    model both = merge { base: base, experts: [math, code], method: task_arithmetic(scale: 0.5) }
    ```
    """

    budget: ClassVar[Budget] = "additive"
    local: ClassVar[bool] = True

    scale: float = 1.0
    normalize: bool = False

    @property
    def divides(self) -> bool:
        return self.normalize

    def coefficients(self, weights: Sequence[float]) -> tuple[float, ...]:
        z = fsum(weights) if self.normalize else 1.0
        return tuple(self.scale * weight / z for weight in weights)
