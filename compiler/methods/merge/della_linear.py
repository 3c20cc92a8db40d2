"""della_linear: drop changes at random, the smaller the likelier; add the rest."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from annotated_types import Ge

from fusec.compiler.sparse_merges import RankedMerge


class DellaLinear(RankedMerge, name="della_linear", family="merge"):
    """Drop small entries more often than large ones, then add the weighted rest to the base.

    The probability of staying rises with the rank of an entry among its row from `density - epsilon` to
    `density + epsilon`; both lie between 0 and 1. `density` is one for all experts, or a list with one for
    each. `rescale: l1` keeps the sum of sizes per tensor. The same `seed` draws the same entries, whatever
    the machine, threads and order. DELLA-Merging, arXiv 2406.11617.

    Example:

    ```fuse
    model both = merge { base: base, experts: [math, code], method: della_linear(density: 0.5, epsilon: 0.2) }
    ```
    """

    elects: ClassVar[bool] = False

    rescale: Literal["l1", "none"] = "l1"
    seed: Annotated[int, Ge(0)] = 0
