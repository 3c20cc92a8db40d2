"""The general form of ties, dare, breadcrumbs and della: sparsify, weigh, combine, add to the base.

    S_i = what a sparsifier leaves of D_i        f_i = its rescale
    V_i = w_i f_i S_i
    W   = B + scale * (their consensus, or sum_i V_i / z)

Each operation is rounded to float32, w_i f_i once. An expert that changes nothing is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from fusec.runtime.kernels.merge.codec import F32
from fusec.runtime.kernels.merge.consensus import combine_agreeing, elect
from fusec.runtime.kernels.merge.operator import Grain, Tensor, Tile, add_update, total_weight
from fusec.runtime.kernels.merge.rescale import rescale_l1
from fusec.runtime.kernels.merge.sparsify import Mask, Sparsifier

Rescale = Literal["l1", "inverse_p", "none"]
"""`l1` keeps the mean size of a tensor's changes; `inverse_p`, one over the probability of staying, keeps the
expected value of each (DARE, arXiv 2311.03099)."""

_FIXED = 4  # buffers besides the changes: base, update, sign, divisor


@dataclass(frozen=True)
class Sparse:
    """`densities` are those of the experts, one each; `elects` says whether a consensus is sought."""

    weights: tuple[float, ...]
    densities: tuple[float, ...]
    sparsify: Sparsifier
    rescale: Rescale
    elects: bool
    normalize: bool
    scale: float

    @property
    def buffers(self) -> int:
        return _FIXED + (len(self.weights) if self.elects else 1)

    @property
    def grain(self) -> Grain:
        return self.sparsify.grain

    def start(self, tensor: Tensor) -> Callable[[Tile], F32]:
        masks, factors = self.sparsify.masks(tensor), [1.0] * len(self.weights)
        match self.rescale:
            case "l1":
                factors, masks = rescale_l1(tensor, masks, by_rows=self.grain == "rows")
            case "inverse_p":
                factors = [1 / density for density in self.densities]
        weights = [np.float32(w * f) for w, f in zip(self.weights, factors, strict=True)]
        return partial(self._elect if self.elects else self._add, masks, weights)

    def _add(self, masks: Sequence[Mask | None], weights: Sequence[np.float32], tile: Tile) -> F32:
        base, update = tile.base(0), tile.buffer(1)
        if not tile.present:
            return base
        update.fill(0)
        for i in tile.present:
            np.add(update, self._weighed(masks[i], weights[i], tile, base, i, _FIXED), out=update)
        if self.normalize:
            np.divide(update, total_weight(self.weights), out=update)
        np.multiply(update, np.float32(self.scale), out=update)
        return add_update(base, update)

    def _elect(self, masks: Sequence[Mask | None], weights: Sequence[np.float32], tile: Tile) -> F32:
        base, update, sign = tile.base(0), tile.buffer(1), tile.buffer(2)
        if not tile.present:
            return base
        values = [
            self._weighed(masks[i], weights[i], tile, base, i, _FIXED + n) for n, i in enumerate(tile.present)
        ]
        elect(values, update, sign)
        divides = [np.float32(self.weights[i]) for i in tile.present] if self.normalize else None
        combine_agreeing(values, divides, sign, update, divisor=tile.buffer(3))
        np.multiply(update, np.float32(self.scale), out=update)
        return add_update(base, update)

    def _weighed(
        self, mask: Mask | None, weight: np.float32, tile: Tile, base: F32, i: int, buffer: int
    ) -> F32:
        v = tile.delta(i, base, buffer)
        if mask is not None:
            mask(v, tile.start, tile.buffer(1 if self.elects else 2))
        return np.multiply(v, weight, out=v)


def each(value: float | Sequence[float], experts: int) -> tuple[float, ...]:
    """One number for each expert, from such a list or from one for all."""
    return tuple(value) if isinstance(value, Sequence) else (value,) * experts
