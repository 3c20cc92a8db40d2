"""Exact conversion between the stored 16- and 32-bit floats and float32 tiles."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]

# The array type of stored bytes; bfloat16 has no numpy type and is handled by its bits.
STORED: dict[str, np.dtype[Any]] = {
    "BF16": np.dtype(np.uint16),
    "F16": np.dtype(np.float16),
    "F32": np.dtype(np.float32),
}

# All exponent bits set means infinity or not-a-number.
_EXPONENT = {"BF16": 0x7F80, "F16": 0x7C00, "F32": 0x7F80_0000}


def decode(stored: NDArray, dtype: str, out: F32) -> None:
    """Widens `stored` (an array of `STORED[dtype]`) into `out`; every value is exact."""
    if dtype == "BF16":
        bits = out.view(np.uint32)
        np.copyto(bits, stored)
        np.left_shift(bits, 16, out=bits)
    else:
        np.copyto(out, stored)


# What rounds to infinity, from this magnitude on.
_OVERFLOWS = {"BF16": float.fromhex("0x1.ffp127"), "F16": 65520.0, "F32": math.inf}


def fits(values: F32, dtype: str) -> bool:
    """Whether all values are finite, and still are when they are stored in `dtype`."""
    # Two reductions that stay in registers; a not-a-number is the largest and fails any comparison.
    limit = _OVERFLOWS[dtype]
    return not values.size or bool(values.max() < limit and values.min() > -limit)


def is_finite(stored: NDArray[Any], dtype: str) -> bool:
    """Whether no infinity or not-a-number is among stored numbers."""
    size, exponent = stored.itemsize, _EXPONENT[dtype]
    sign = 1 << (8 * size - 1)
    # Signed, the bits of the largest number are largest; unsigned, those of the least negative one are.
    signed, unsigned = stored.view(f"i{size}"), stored.view(f"u{size}")
    return not stored.size or bool(signed.max() < exponent and unsigned.max() < sign | exponent)


def encode(values: F32, dtype: str, out: NDArray, *, finite: bool = False) -> None:
    """Rounds `values` to nearest, ties to even, into `out`, an array of `STORED[dtype]`.

    Too large becomes infinity; every not-a-number becomes a quiet one. `finite` promises that none are.
    """
    if dtype != "BF16":
        with np.errstate(over="ignore"):
            np.copyto(out, values, casting="same_kind")
        return
    bits = values.view(np.uint32)
    rounded = bits >> 16
    np.bitwise_and(rounded, 1, out=rounded)
    rounded += 0x7FFF
    rounded += bits
    rounded >>= 16
    np.copyto(out, rounded, casting="same_kind")
    if not finite and (missing := np.isnan(values)).any():
        out[missing] = 0x7FC0


def first_nonfinite(stored: NDArray[Any], dtype: str) -> int | None:
    """The flat index of the first infinity or not-a-number, None without one."""
    mask = _EXPONENT[dtype]
    bits: NDArray[Any] = stored.view(np.uint32 if dtype == "F32" else np.uint16)
    exponents = bits & mask
    if not exponents.size or exponents.max() != mask:
        return None
    return int(np.argmax(exponents))
