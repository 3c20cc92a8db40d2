"""exp, log, sin, cos and arccos in float64, made of + - * / and square roots: the same bits on every machine.

Those five operations are exactly rounded everywhere; the functions of a mathematical library are not, and
differ between processors in the last bit. Errors here are a few times 1e-16, absolute for sin and cos.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal
from functools import cache
from math import factorial

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

_SIN = tuple((-1) ** k / factorial(2 * k + 1) for k in range(16))
_COS = tuple((-1) ** k / factorial(2 * k) for k in range(16))
_EXP = tuple(1 / factorial(k) for k in range(6))
_ATAN = tuple((-1) ** k / (2 * k + 1) for k in range(13))
_ARTANH = tuple(1 / (2 * k + 1) for k in range(12))

# ln 2 in two parts; the first has zeros at its end, so that whole multiples of it are exact.
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_ROOT_HALF = 0.7071067811865476

_STEPS = 64  # to an octave, in the table of powers of two
_LEAST = 1021  # octaves below 1
_NEAR = 2.0**-6


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
    """e to the power of each x at most 0; 0 where that is below 2 to the power of -1021."""
    rest = np.maximum(x, -708.5)
    steps = rest * (-_STEPS / _LN2_HIGH)
    np.rint(steps, out=steps)
    rest += steps * (_LN2_HIGH / _STEPS)
    result = _powers()[steps.astype(np.intp)]
    rest += np.multiply(steps, _LN2_LOW / _STEPS, out=steps)
    result *= _polynomial(_EXP, rest)
    return result


@cache
def _powers() -> F64:
    """2 to the power of -n / `_STEPS`, from `_LEAST` octaves on 0. Decimals are rounded alike everywhere."""
    exact = Context(prec=40)
    octave = [float(exact.power(Decimal(2), Decimal(-n) / _STEPS)) for n in range(_STEPS)]
    powers = np.ldexp(octave, -np.arange(_LEAST + 2)[:, None])
    powers[_LEAST:] = 0
    return powers.reshape(-1)


def log_of_quotients(p: F64, q: F64) -> F64:
    """The natural logarithms of p / q, positive and normal, row by row; cheaper where a row has p near q."""
    z = p - q
    z /= p + q
    far = np.maximum(z.max(axis=1), -z.min(axis=1)) > _NEAR
    result = _polynomial(_ARTANH[:5], z * z)
    result *= z
    result *= 2
    if far.any():
        result[far] = log(p[far] / q[far])
    return result


def log(x: F64) -> F64:
    """The natural logarithm of positive, normal numbers."""
    mantissa, twos = np.frexp(x)
    small = mantissa < _ROOT_HALF
    mantissa = np.where(small, 2 * mantissa, mantissa)
    twos = (twos - small).astype(np.float64)
    z = (mantissa - 1) / (mantissa + 1)
    return twos * _LN2_HIGH + (2 * z * _polynomial(_ARTANH, z * z) + twos * _LN2_LOW)


def _polynomial(coefficients: Sequence[float], x: F64) -> F64:
    total = x * coefficients[-1]
    total += coefficients[-2]
    for coefficient in coefficients[-3::-1]:
        total *= x
        total += coefficient
    return total
