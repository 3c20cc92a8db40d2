"""breadcrumbs: drop the largest and the smallest changes, add the rest."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Lt

from fusec.compiler.sparse_merges import ThresholdMerge


class Breadcrumbs(ThresholdMerge, name="breadcrumbs", family="merge"):
    """Drop the outliers and the smallest entries of each delta, then add the weighted rest to the base.

    Of each tensor the share `gamma` of largest entries goes, and of the others the smallest, until the share
    `density` is left; one for all experts, or a list with one for each. `rescale: l1` keeps the sum of sizes
    per tensor. Model Breadcrumbs, arXiv 2312.06795.

    Example:

    ```fuse
    model both = merge { base: base, experts: [math, code], method: breadcrumbs(density: 0.9) }
    ```
    """

    elects: ClassVar[bool] = False

    gamma: Annotated[float, Ge(0), Lt(1)] = 0.01
    rescale: Literal["l1", "none"] = "none"
