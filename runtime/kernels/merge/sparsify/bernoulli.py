"""Each change stays with the probability `density`, drawn on its own.

mergekit draws from one generator in the order of its work, so its masks change with the order of the models
and of the tensors. Here a draw belongs to the seed, the tensor's name, the expert and the element.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from fusec.runtime.kernels.merge.codec import F32
from fusec.runtime.kernels.merge.operator import Tensor
from fusec.runtime.kernels.merge.random import ONE, Stream, stream
from fusec.runtime.kernels.merge.sparsify import Mask


@dataclass(frozen=True)
class Bernoulli:
    densities: tuple[float, ...]
    seed: int
    grain: Literal["elements"] = "elements"

    def masks(self, tensor: Tensor) -> list[Mask | None]:
        return [
            partial(_drop, stream(self.seed, tensor.name, tensor.identity(i)), int(density * ONE))
            if density < 1
            else None
            for i, density in enumerate(self.densities)
        ]


def _drop(draws: Stream, below: int, delta: F32, start: int, scratch: F32) -> None:
    np.multiply(delta, draws.lanes(start, delta.size) < below, out=delta)
