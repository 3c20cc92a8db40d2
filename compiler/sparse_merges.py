"""What checking and planning know of merge methods that drop a part of each expert's changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil, fsum
from typing import Annotated, ClassVar

from annotated_types import Ge

from fusec.compiler.methods.merge import Bound, Budget, Density, MergeMethod, Misfit, Passes

TOGETHER = 8
"""Experts whose thresholds are found in one scan of the base."""


class SparseMerge(MergeMethod):
    """`elects` says whether signs are elected, `by_size` whether the size of a change decides if it stays."""

    elects: ClassVar[bool]
    by_size: ClassVar[bool]
    by_range: ClassVar[bool] = True

    density: Density
    scale: float = 1.0
    normalize: bool = False

    @property
    def drops(self) -> bool:
        return min(self.densities(1)) < 1

    @property
    def rescaled(self) -> str:
        """How changes make up for those that are dropped: `l1`, `inverse_p` or `none`."""
        return str(getattr(self, "rescale", "none"))

    @property
    def divides(self) -> bool:
        # An election divides each element by the weights that agree there, whatever all of them sum to.
        return self.normalize and not self.elects

    @property
    def budget(self) -> Budget:
        if self.drops and (self.by_size or self.rescaled == "l1"):
            return "none"  # what is left out would move thresholds and sums everywhere
        # Masks keep changes of experts from cancelling each other, so their inner products bound nothing.
        return "blocks" if self.elects or self.drops else "additive"

    def densities(self, experts: int) -> tuple[float, ...]:
        return self.density if isinstance(self.density, tuple) else (self.density,) * experts

    def passes(self, experts: int) -> Passes:
        sums = int(self.drops and self.rescaled == "l1")
        return Passes(base=1 + sums, experts=1 + sums)

    def coefficients(self, weights: Sequence[float]) -> tuple[float, ...] | None:
        if self.drops or self.elects:
            return None
        z = fsum(weights) if self.normalize else 1.0
        return tuple(self.scale * weight / z for weight in weights)

    def bound(self, weights: Sequence[float]) -> Bound | None:
        if self.budget == "none":
            return None
        inverse = self.rescaled == "inverse_p"
        factors = [abs(self.scale) / (p if inverse else 1.0) for p in self.densities(len(weights))]
        if self.elects and self.normalize:
            # A mean of changes is at most the largest of them; with weights of both signs it is no mean.
            return Bound("root", tuple(factors)) if min(weights) >= 0 else None
        z = abs(fsum(weights)) if self.normalize else 1.0
        return Bound("sum", tuple(f * abs(w) / z for f, w in zip(factors, weights, strict=True)))


class ThresholdMerge(SparseMerge):
    """Thresholds on the size of changes, found in one scan for `TOGETHER` experts at a time."""

    by_size: ClassVar[bool] = True

    def passes(self, experts: int) -> Passes:
        merged = super().passes(experts)
        if not self.drops:
            return merged
        return Passes(merged.base + ceil(experts / TOGETHER), merged.experts + 1)


class RankedMerge(SparseMerge):
    """A probability of staying that rises with the rank in a row, by `epsilon` around the density."""

    by_size: ClassVar[bool] = True
    by_range: ClassVar[bool] = False

    epsilon: Annotated[float, Ge(0)] = 0.15

    def misfits(self, experts: int) -> Iterator[Misfit]:
        yield from super().misfits(experts)
        for p in dict.fromkeys(self.densities(1)):
            if p < 1 and not 0 < p - self.epsilon <= p + self.epsilon < 1:
                got = f"{self.epsilon:g} beside the density {p:g}"
                allowed = f"less than {min(p, 1 - p):g}, so that all probabilities are between 0 and 1"
                yield Misfit("`epsilon`", got, allowed)
