"""della: drop changes at random, the smaller the likelier; elect, combine."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from annotated_types import Ge

from fusec.compiler.sparse_merges import RankedMerge


class Della(RankedMerge, name="della", family="merge"):
    """Drop small entries more often than large ones, elect a sign per weight, average what agrees.

    The probability of staying rises with the rank of an entry among its row from `density - epsilon` to
    `density + epsilon`; both lie between 0 and 1. `density` is one for all experts, or a list with one for
    each. `rescale: l1` keeps the sum of sizes per tensor. The same `seed` draws the same entries, whatever
    the machine, threads and order. DELLA-Merging, arXiv 2406.11617.

    Example:

    ```fuse
    model both = merge { base: base, experts: [math, code], method: della(density: 0.5, epsilon: 0.2) }
    ```
    """

    elects: ClassVar[bool] = True

    normalize: bool = True
    rescale: Literal["l1", "none"] = "l1"
    seed: Annotated[int, Ge(0)] = 0
