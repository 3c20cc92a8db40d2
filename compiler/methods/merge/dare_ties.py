"""dare_ties: drop changes at random, elect a sign, combine what agrees."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from annotated_types import Ge

from fusec.compiler.sparse_merges import SparseMerge


class DareTies(SparseMerge, name="dare_ties", family="merge"):
    """Drop entries of each delta at random, elect a sign per weight, combine what agrees.

    `density` is the probability of staying: one for all experts, or a list with one for each. What stays is
    made up for by `rescale`: `l1` keeps the sum of sizes per tensor, `inverse_p` divides by the density as
    the paper does. The same `seed` draws the same entries, whatever the machine, threads and order. DARE,
    arXiv 2311.03099.

    Example:

    ```fuse
    model both = merge { base: base, experts: [math, code], method: dare_ties(density: 0.5) }
    ```
    """

    elects: ClassVar[bool] = True
    by_size: ClassVar[bool] = False

    rescale: Literal["l1", "inverse_p", "none"] = "l1"
    seed: Annotated[int, Ge(0)] = 0
