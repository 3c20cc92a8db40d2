"""How `merge` combines weights. Formulas: deltas are `expert - base`, arithmetic is fp32, one rounding."""

from __future__ import annotations

from typing import Annotated, ClassVar

from annotated_types import Gt, Le

from fusec.compiler.step import Method


class MergeMethod(Method):
    """Traits that planning asks for.

    `passes` is how often each expert byte is read, `additive` whether the result is a fixed weighted
    sum of inputs, `weighted` whether experts may carry weights.
    """

    passes: ClassVar[int] = 1
    additive: ClassVar[bool] = True
    weighted: ClassVar[bool] = True
    normalizes: ClassVar[bool] = False


class Average(MergeMethod, name="average", family="merge"):
    """The plain mean of the experts; the base is not part of it (model soup, arXiv 2203.05482)."""

    weighted: ClassVar[bool] = False


class Linear(MergeMethod, name="linear", family="merge"):
    """The weighted sum of the experts; with `normalize`, divided by the sum of the weights."""

    normalize: bool = True
    normalizes: ClassVar[bool] = True


class TaskArithmetic(MergeMethod, name="task_arithmetic", family="merge"):
    """The base plus `scale` times the weighted sum of deltas (task arithmetic, arXiv 2212.04089)."""

    scale: float = 1.0
    normalize: bool = False


class Ties(MergeMethod, name="ties", family="merge"):
    """Trim each delta to its largest entries, elect a sign per weight, average what agrees.

    `density` is the share of entries kept per tensor. TIES-Merging, arXiv 2306.01708.
    """

    density: Annotated[float, Gt(0), Le(1)]
    scale: float = 1.0
    normalize: bool = True
    passes: ClassVar[int] = 3
    additive: ClassVar[bool] = False
