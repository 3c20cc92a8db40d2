"""How `merge` combines weights: one file for each method.

Formulas: X_i is an expert, B the base, D_i = X_i - B; arithmetic is fp32 with one rounding at the end. An
expert may be a delta itself. Methods of deltas take it as it is. For methods of weights (`average`,
`linear`, ...) the expert is `base + delta`, rounded to fp32, and the base is read for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, NamedTuple

from fusec.compiler.step import Method

Budget = Literal["additive", "blocks", "none"]
"""What may be left unread. `additive`: any block of any expert, at an error that is known. `blocks`: a block
of all experts at once, at a bounded error. `none`: nothing, as no error can be stated."""


class Passes(NamedTuple):
    """How often the bytes of the base and of each expert are read."""

    base: int
    experts: int


class MergeMethod(Method):
    """What checking and planning ask of a method.

    `weighted` says whether experts may carry weights, `least` and `most` how many there may be, `divides`
    whether the result is divided by the sum of the weights, `passes` what is read how often, `budget` what
    `expert_reads` may leave out. The arithmetic is `operator(weights, **arguments)` of the method's kernel,
    for fusec's own methods the module of the same name under `fusec.runtime.kernels.merge.operators`; see
    `fusec.runtime.kernels.merge.operator`.
    """

    weighted: ClassVar[bool] = True
    least: ClassVar[int] = 1
    most: ClassVar[int | None] = None
    budget: ClassVar[Budget] = "none"
    joined_by = "operator"

    @property
    def divides(self) -> bool:
        return False

    def passes(self, experts: int) -> Passes:
        return Passes(base=1, experts=1)

    def coefficients(self, weights: Sequence[float]) -> tuple[float, ...] | None:
        """The c_i of `B + sum c_i D_i` for a weight of each expert; None where tensors decide them."""
        return None
