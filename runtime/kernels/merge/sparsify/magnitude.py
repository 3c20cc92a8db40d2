"""The largest changes of each expert stay: exactly `k = max(1, int(density * n))` of a tensor's n.

Among equals at the threshold those of lowest flat index stay, where mergekit's choice is that of an unstable
sort.
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
class Magnitude:
    densities: tuple[float, ...]
    grain: Literal["elements"] = "elements"

    def masks(self, tensor: Tensor) -> list[Mask | None]:
        n = tensor.elements
        ranks = {i: max(1, int(density * n)) for i, density in enumerate(self.densities)}
        trimmed = [Query(i, rank) for i, rank in ranks.items() if rank < n]
        found: dict[int, Mask] = {
            query.expert: partial(_trim, cut)
            for query, cut in zip(trimmed, find_cuts(tensor, trimmed), strict=True)
        }
        return [found.get(i) for i in ranks]


def _trim(cut: Cut, delta: F32, start: int, scratch: F32) -> None:
    np.multiply(delta, cut.above(magnitude_bits(delta, out=scratch), start), out=delta)
