"""average: the plain mean of the experts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from fusec.compiler.methods.merge import Budget, MergeMethod, Passes


class Average(MergeMethod, name="average", family="merge"):
    """The plain mean of the experts; the base is not part of it (model soup, arXiv 2203.05482).

    A delta among them counts as the base plus the delta.

    Example:

    ```fuse
    model soup = merge { base: base, experts: [math, code], method: average }
    ```
    """

    weighted: ClassVar[bool] = False
    budget: ClassVar[Budget] = "additive"
    local: ClassVar[bool] = True
    of_changes: ClassVar[bool] = False

    def passes(self, experts: int) -> Passes:
        return Passes(base=0, experts=1)

    def coefficients(self, weights: Sequence[float]) -> tuple[float, ...]:
        return (1 / len(weights),) * len(weights)
