"""magmax: the largest change of each weight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from fusec.compiler.methods.merge import Bound, Budget, MergeMethod


class MagMax(MergeMethod, name="magmax", family="merge"):
    """The base plus, in each weight, `scale` times the largest of the experts' changes (arXiv 2407.06322).

    Example:

    ```fuse
    model both = merge { base: base, experts: [math, code], method: magmax(scale: 0.5) }
    ```
    """

    weighted: ClassVar[bool] = False
    local: ClassVar[bool] = True
    budget: ClassVar[Budget] = "blocks"

    scale: float = 1.0

    def bound(self, weights: Sequence[float]) -> Bound:
        # The largest of several changes has a square of at most the sum of theirs.
        return Bound("root", (abs(self.scale),) * len(weights))
