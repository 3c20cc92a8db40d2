"""ties: trim, elect a sign, combine what agrees."""

from __future__ import annotations

from math import ceil
from typing import Annotated, ClassVar

from annotated_types import Gt, Le

from fusec.compiler.methods.merge import Budget, MergeMethod, Passes


class Ties(MergeMethod, name="ties", family="merge"):
    """Trim each delta to its largest entries, elect a sign per weight, average what agrees.

    `density` is the share of entries kept per tensor. TIES-Merging, arXiv 2306.01708.

    Example:

    ```fuse
    model both = merge { base: base, experts: [math, code], method: ties(density: 0.2) }
    ```
    """

    budget: ClassVar[Budget] = "blocks"

    density: Annotated[float, Gt(0), Le(1)]
    scale: float = 1.0
    normalize: bool = True

    def passes(self, experts: int) -> Passes:
        # Two passes find the threshold of each delta, for groups of eight experts per scan of the base.
        return Passes(1, 1) if self.density == 1 else Passes(base=2 * ceil(experts / 8) + 1, experts=3)
