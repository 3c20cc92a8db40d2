"""Each change stays with a probability that rises with its rank in its row (MAGPRUNE, arXiv 2406.11617).

With k its rank among the c magnitudes of its row, 0 the smallest, the probability is
`density - epsilon + 2 epsilon k / (c - 1)`; in a row of one element it is the density. A row is the last
axis, a tensor of one axis is one row; mergekit takes axis 1. Equals count with the mean of their ranks,
where mergekit gives them those of an unstable sort, and ranks are exact, where mergekit rounds them.

No ranks are computed. A draw u below `density - epsilon` keeps any change, one above `density + epsilon`
none; in between it asks for a rank above some r. Whether a change has that is one look at place r of the
sorted row. Among equals the lowest bit of the draw says whether the least or the greatest of their ranks
counts: on average that is the mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fusec.runtime.kernels.merge.codec import F32
from fusec.runtime.kernels.merge.cuts import magnitude_bits
from fusec.runtime.kernels.merge.operator import Tensor
from fusec.runtime.kernels.merge.random import ONE, Stream, stream
from fusec.runtime.kernels.merge.sparsify import Mask


@dataclass(frozen=True)
class Ranked:
    densities: tuple[float, ...]
    epsilon: float
    seed: int
    grain: Literal["rows"] = "rows"

    def masks(self, tensor: Tensor) -> list[Mask | None]:
        columns = max(1, tensor.shape[-1]) if tensor.shape else 1
        epsilon = self.epsilon if columns > 1 else 0.0
        return [
            partial(
                _drop,
                stream(self.seed, tensor.name, tensor.identity(i)),
                columns,
                int((density - epsilon) * ONE),
                int(2 * epsilon * ONE),
            )
            if density < 1
            else None
            for i, density in enumerate(self.densities)
        ]


def _drop(draws: Stream, columns: int, surely: int, band: int, delta: F32, start: int, scratch: F32) -> None:
    lanes = draws.lanes(start, delta.size)
    keep = lanes < surely
    if band:
        _keep_by_rank(keep, lanes, magnitude_bits(delta, out=scratch), columns, surely, band)
    np.multiply(delta, keep, out=delta)


def _keep_by_rank(
    keep: NDArray[np.bool_],
    lanes: NDArray[np.uint32],
    bits: NDArray[np.uint32],
    columns: int,
    surely: int,
    band: int,
) -> None:
    """Decides in `keep` the changes whose draw lies less than `band` above `surely`."""
    # Unsigned, so draws below `surely` wrap round to far above the band.
    above = lanes - np.uint32(surely)
    at = np.flatnonzero(above < band)
    # The rank asked for is above r, so it is r or r + 1 that the change is compared with.
    r = above[at] * np.uint64(columns - 1) // np.uint64(band)
    greatest = lanes[at] & np.uint32(1)
    place = r.view(np.int64) + greatest + at // columns * columns
    rising = np.sort(bits.reshape(-1, columns), axis=1).reshape(-1)
    keep[at] = rising[place] < bits[at] + greatest
