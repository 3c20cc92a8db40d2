"""Random-looking integers from positions: the same on every machine and with every library version."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

U64 = NDArray[np.uint64]


def mixed(values: U64) -> U64:
    """Each value through the finalizer of SplitMix64; every bit of the result depends on every bit of it."""
    with np.errstate(over="ignore"):
        z = values + np.uint64(0x9E37_79B9_7F4A_7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
        return z ^ (z >> np.uint64(31))
