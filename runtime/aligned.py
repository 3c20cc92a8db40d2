"""Memory for arrays that numpy goes through again and again."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

_LINE = 64
"""Bytes. A vector that straddles two cache lines takes twice as long, and the system's own large blocks begin
16 bytes behind a page."""


def empty(shape: tuple[int, ...] | int, dtype: DTypeLike) -> NDArray[Any]:
    """An uninitialised array like `np.empty`, at the start of a cache line."""
    shape = (shape,) if isinstance(shape, int) else shape
    size = math.prod(shape) * np.dtype(dtype).itemsize
    held = np.empty(size + _LINE, np.uint8)
    first = -held.ctypes.data % _LINE
    return held[first : first + size].view(dtype).reshape(shape)
