"""A sum whose bits depend on the numbers alone, however they come in pieces."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fusec.runtime.analysis.inner import CHUNK

F64 = NDArray[np.float64]


class Sum:
    """Adds up float64 numbers in order: `CHUNK` of them pairwise, the chunks one after the other."""

    def __init__(self) -> None:
        self._open = np.zeros(CHUNK)
        self._filled = 0
        self._total = 0.0

    def add(self, values: F64) -> None:
        """Appends the next numbers, a contiguous array of one axis."""
        at = 0
        if self._filled:
            at = min(CHUNK - self._filled, values.size)
            self._fill(values[:at])
        whole = (values.size - at) // CHUNK
        chunks = values[at : at + whole * CHUNK].reshape(whole, CHUNK)
        for part in np.add.reduce(chunks, axis=1).tolist():
            self._total += part
        self._fill(values[at + whole * CHUNK :])

    def value(self) -> float:
        """The sum of all numbers so far."""
        rest = np.zeros(CHUNK)
        rest[: self._filled] = self._open[: self._filled]
        return self._total + float(np.add.reduce(rest))

    def _fill(self, values: F64) -> None:
        self._open[self._filled : self._filled + values.size] = values
        self._filled += values.size
        if self._filled == CHUNK:
            self._total += float(np.add.reduce(self._open))
            self._filled = 0
