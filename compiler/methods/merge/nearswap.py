"""nearswap: from the base towards one expert, by a bounded step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from annotated_types import Gt

from fusec.compiler.methods.merge import Bound, Budget, MergeMethod


class NearSwap(MergeMethod, name="nearswap", family="merge"):
    """From the base towards its one expert, by at most `t` in each weight.

    Where the two are nearer than that, the result has the expert's weight. NearSwap of mergekit.

    Example:

    ```fuse
    model nudged = merge { base: base, experts: [math], method: nearswap(t: 0.001) }
    ```
    """

    weighted: ClassVar[bool] = False
    local: ClassVar[bool] = True
    most: ClassVar[int | None] = 1
    budget: ClassVar[Budget] = "blocks"

    t: Annotated[float, Gt(0)]

    def bound(self, weights: Sequence[float]) -> Bound:
        return Bound("sum", (1.0,) * len(weights), clip=self.t)
