"""Memory that one thread uses again and again, grown to what it was ever asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusec.runtime import aligned
from fusec.runtime.kernels.merge.codec import F32


class Memory:
    """Arrays with whatever was in them before; the same number is the same memory."""

    def __init__(self) -> None:
        self._raw: dict[int, NDArray[np.uint8]] = {}
        self._floats: dict[int, F32] = {}

    def raw(self, elements: int, dtype: np.dtype[Any], number: int = -1) -> NDArray[Any]:
        """Space for stored numbers; of the number -1, until the next call."""
        size = elements * dtype.itemsize
        held = self._raw.get(number)
        if held is None or held.size < size:
            held = self._raw[number] = aligned.empty(size, np.uint8)
        return held[:size].view(dtype)

    def floats(self, elements: int, number: int) -> F32:
        """Space for a tile."""
        held = self._floats.get(number)
        if held is None or held.size < elements:
            held = self._floats[number] = aligned.empty(elements, np.float32)
        return held[:elements]
