"""How the changes of experts become one: by their sum, or by a sign that they elect element by element.

With V_i the weighted change of an expert and e the sign of their sum (zero counts as +), consensus gives
`N / Q`: N the sum of the V_i of sign e, Q the sum of their weights, 1 where that is zero. The paper of TIES
(arXiv 2306.01708) divides by the number of those that agree, which is this with equal weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fusec.runtime import aligned
from fusec.runtime.kernels.merge.codec import F32

_SIGN, _ONE = np.uint32(0x8000_0000), np.uint32(0x3F80_0000)  # of the bits of float32: the sign, and 1

# A maximum with a number takes numpy two to three times as long as one with an array.
_ZEROS = aligned.empty(1 << 14, np.float32)
_ZEROS.fill(0)


def elect(values: Sequence[F32], total: F32, sign: F32) -> None:
    """Fills `sign` with the sign of the summed values, +1 for a sum of either zero."""
    np.copyto(total, values[0])
    for v in values[1:]:
        np.add(total, v, out=total)
    # The sum is -0.0 only where every value is, and there the sign decides nothing.
    bits = np.bitwise_and(total.view(np.uint32), _SIGN, out=sign.view(np.uint32))
    np.bitwise_or(bits, _ONE, out=bits)  # copysign would do the same, at a third of the speed


def keep_positive(values: F32) -> None:
    """Zeroes what is below zero, in place."""
    for at in range(0, values.size, _ZEROS.size):
        part = values[at : at + _ZEROS.size]
        np.maximum(part, _ZEROS[: part.size], out=part)


def combine_agreeing(
    values: Sequence[F32], weights: Sequence[np.float32] | None, sign: F32, update: F32, divisor: F32
) -> None:
    """Fills `update` with the combination of the values that have the elected sign; overwrites the values.

    With `weights`, divided by the sum of those that agree.
    """
    update.fill(0)
    divisor.fill(0)
    for n, v in enumerate(values):
        # Times the elected sign, agreement is being positive; it is undone at the end, exactly.
        np.multiply(v, sign, out=v)
        keep_positive(v)
        np.add(update, v, out=update)
        if weights is not None:
            np.multiply(v > 0, weights[n], out=v)
            np.add(divisor, v, out=divisor)
    if weights is not None:
        np.add(divisor, divisor == 0, out=divisor)
        np.divide(update, divisor, out=update)
    np.multiply(update, sign, out=update)
