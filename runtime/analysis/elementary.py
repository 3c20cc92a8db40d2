"""exp, log, sin, cos and arccos in float64, made of + - * / and square roots: the same bits on every machine.

Those five operations are exactly rounded everywhere; the functions of a mathematical library are not, and
differ between processors in the last bit. Errors here are a few times 1e-16, absolute for sin and cos.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import factorial

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

_SIN = tuple((-1) ** k / factorial(2 * k + 1) for k in range(16))
_COS = tuple((-1) ** k / factorial(2 * k) for k in range(16))
_EXP = tuple(1 / factorial(k) for k in range(14))
_ATAN = tuple((-1) ** k / (2 * k + 1) for k in range(13))
_ARTANH = tuple(1 / (2 * k + 1) for k in range(12))

# ln 2 in two parts; the first has zeros at its end, so that whole multiples of it are exact.
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_ROOT_HALF = 0.7071067811865476


def sin(x: F64) -> F64:
    """The sine of angles between -pi and pi."""
    return x * _polynomial(_SIN, x * x)


def cos(x: F64) -> F64:
    """The cosine of angles between -pi and pi."""
    return _polynomial(_COS, x * x)


def arccos(c: F64) -> F64:
    """The angle, 0 to pi, of a cosine between -1 and 1."""
    c = np.asarray(c, np.float64)
    # Both halves of 1 - c * c are exact near the ends, where the product would not be.
    sine = np.sqrt((1 - c) * (1 + c))
    # The tangent of half the angle, or of half its supplement; then of a quarter and of an eighth.
    tangent = sine / (1 + np.abs(c))
    for _ in range(2):
        tangent = tangent / (1 + np.sqrt(1 + tangent * tangent))
    angle = 8 * tangent * _polynomial(_ATAN, tangent * tangent)
    return np.where(c < 0, np.pi - angle, angle)


def exp(x: F64) -> F64:
    """e to the power of each x at most 0; below -708 it is 0."""
    x = np.maximum(x, -709.0)
    twos = np.rint(x * (1 / _LN2_HIGH))
    rest = (x - twos * _LN2_HIGH) - twos * _LN2_LOW
    result = np.ldexp(_polynomial(_EXP, rest), twos.astype(np.int32))
    return np.where(x <= -708, 0.0, result)


def log(x: F64) -> F64:
    """The natural logarithm of positive, normal numbers."""
    mantissa, twos = np.frexp(x)
    small = mantissa < _ROOT_HALF
    mantissa = np.where(small, 2 * mantissa, mantissa)
    twos = (twos - small).astype(np.float64)
    z = (mantissa - 1) / (mantissa + 1)
    return twos * _LN2_HIGH + (2 * z * _polynomial(_ARTANH, z * z) + twos * _LN2_LOW)


def _polynomial(coefficients: Sequence[float], x: F64) -> F64:
    total = np.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        total *= x
        total += coefficient
    return total
