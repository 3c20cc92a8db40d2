"""ram: changes of one expert alone count whole, shared ones as their mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from annotated_types import Ge

from fusec.compiler.methods.merge import Bound, Budget, MergeMethod


class Ram(MergeMethod, name="ram", family="merge"):
    """What one expert alone changed counts whole, what several changed counts as their mean.

    A weight is changed where it differs from the base by more than `epsilon`. Reinforced Agent Merging, arXiv
    2601.13572.

    Example:

    ```fuse
    model both = merge { base: base, experts: [math, code], method: ram }
    ```
    """

    weighted: ClassVar[bool] = False
    local: ClassVar[bool] = True
    budget: ClassVar[Budget] = "blocks"

    epsilon: Annotated[float, Ge(0)] = 1e-5

    def bound(self, weights: Sequence[float]) -> Bound:
        return Bound("sum", (1.0,) * len(weights))
