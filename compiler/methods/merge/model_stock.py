"""model_stock: from the base towards the mean of the experts."""

from __future__ import annotations

from typing import ClassVar

from fusec.compiler.methods.merge import Budget, MergeMethod, Passes


class ModelStock(MergeMethod, name="model_stock", family="merge"):
    """From the base towards the mean of the experts: the further, the more alike their changes are.

    The distance follows from the mean cosine between the experts' deltas, of each tensor or, with
    `filter_wise`, of each row. Model Stock, arXiv 2403.19522.

    Example:

    ```fuse
    model stock = merge { base: base, experts: [math, code], method: model_stock }
    ```
    """

    budget: ClassVar[Budget] = "gram"
    weighted: ClassVar[bool] = False
    least: ClassVar[int] = 2

    filter_wise: bool = False

    @property
    def by_range(self) -> bool:
        return not self.filter_wise

    def passes(self, experts: int) -> Passes:
        return Passes(1, 1) if self.filter_wise else Passes(base=2, experts=2)
