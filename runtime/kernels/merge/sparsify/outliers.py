"""Changes of middling size stay: without the `gamma` largest, the next largest down to the density.

Of a tensor's n changes, with `t = int(density * n)`, `top = int(gamma * n)` and
`bottom = max(0, n - t - top)`, those of ranks bottom to bottom + t - 1 in rising order of magnitude. Where
density and gamma come to more than 1, fewer large ones are dropped. Of equals the one of lowest flat index
counts as the largest; mergekit's choice among them is that of an unstable sort.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from fusec.runtime.kernels.merge.codec import F32
from fusec.runtime.kernels.merge.cuts import Cut, Query, magnitude_bits
from fusec.runtime.kernels.merge.operator import Tensor
from fusec.runtime.kernels.merge.selection import find_cuts
from fusec.runtime.kernels.merge.sparsify import Mask


@dataclass(frozen=True)
class Outliers:
    densities: tuple[float, ...]
    gamma: float
    grain: Literal["elements"] = "elements"

    def masks(self, tensor: Tensor) -> list[Mask | None]:
        n = tensor.elements
        kept = {i: self._ranks(density, n) for i, density in enumerate(self.densities) if density < 1}
        queries = [Query(i, rank) for i, ranks in kept.items() for rank in ranks if 0 < rank < n]
        cuts = dict(zip(queries, find_cuts(tensor, queries), strict=True))

        def mask(i: int) -> Mask | None:
            if i not in kept:
                return None
            dropped, last = kept[i]
            if dropped == last:
                return _drop_all
            return partial(_keep_between, cuts.get(Query(i, dropped)), cuts.get(Query(i, last)))

        return [mask(i) for i in range(len(self.densities))]

    def _ranks(self, density: float, n: int) -> tuple[int, int]:
        """How many of the largest are dropped, and the rank of the smallest that stays."""
        stay = int(density * n)
        bottom = max(0, n - stay - int(self.gamma * n))
        return n - bottom - stay, n - bottom


def _drop_all(delta: F32, start: int, scratch: F32) -> None:
    delta.fill(0)


def _keep_between(dropped: Cut | None, last: Cut | None, delta: F32, start: int, scratch: F32) -> None:
    bits = magnitude_bits(delta, out=scratch)
    if last is not None:
        np.multiply(delta, last.above(bits, start), out=delta)
    if dropped is not None:
        np.multiply(delta, ~dropped.above(bits, start), out=delta)
