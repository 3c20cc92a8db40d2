"""ties: trim, elect a sign, combine what agrees."""

from __future__ import annotations

from typing import ClassVar, Literal

from fusec.compiler.sparse_merges import ThresholdMerge


class Ties(ThresholdMerge, name="ties", family="merge"):
    """Trim each delta to its largest entries, elect a sign per weight, average what agrees.

    `density` is the share of entries kept per tensor: one for all experts, or a list with one for each.
    `rescale: l1` multiplies what stays by the share of the sum of sizes that was lost. TIES-Merging,
    arXiv 2306.01708.

    Example:

    ```fuse
    model both = merge { base: base, experts: [math, code], method: ties(density: 0.2) }
    ```
    """

    elects: ClassVar[bool] = True

    normalize: bool = True
    rescale: Literal["l1", "none"] = "none"
