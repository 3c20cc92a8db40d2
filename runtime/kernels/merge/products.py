"""Changes that are stored as two factors, computed piece by piece: `scale * left @ right`.

The arithmetic is fixed, so the bytes are the same on every machine, for every tile and number of threads.
With l = left[i, k] and r = right[k, j], every operation rounded to float32 on its own:

    change[i, j] = scale * ((l0 * r0 + l1 * r1) + l2 * r2 + ...)        k in rising order, scale last

No library product is used: those choose an order of summation by machine and shape.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fusec.runtime.kernels.merge.codec import F32


@dataclass(frozen=True)
class Factors:
    """Both factors in memory with the rank first: `left` (rank, rows), `right` (rank, columns)."""

    left: F32
    right: F32
    scale: np.float32

    def fill(self, out: F32, start: int, scratch: F32) -> None:
        """Computes the elements of the change from flat index `start` on; `scratch` is as long as `out`."""
        columns = self.right.shape[1]
        for rows, across, at in _rectangles(start, out.size, columns):
            shape = (rows.stop - rows.start, across.stop - across.start)
            total = out[at : at + shape[0] * shape[1]].reshape(shape)
            term = scratch[: total.size].reshape(shape)
            for k, (left, right) in enumerate(zip(self.left, self.right, strict=True)):
                np.multiply(left[rows, None], right[across], out=term if k else total)
                if k:
                    np.add(total, term, out=total)
        np.multiply(out, self.scale, out=out)


def _rectangles(start: int, size: int, columns: int) -> Iterator[tuple[slice, slice, int]]:
    """A flat range of a matrix as at most three rectangles: rows, columns, offset inside the range."""
    at, stop = start, start + size
    while at < stop:
        row, column = divmod(at, columns)
        whole = (stop - at) // columns
        if column or not whole:
            end = min(columns, column + stop - at)
            yield slice(row, row + 1), slice(column, end), at - start
            at += end - column
        else:
            yield slice(row, row + whole), slice(0, columns), at - start
            at += whole * columns
