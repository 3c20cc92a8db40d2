"""From amounts to pixels, and the round amounts that an axis names."""

from __future__ import annotations

import math
from typing import NamedTuple

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
_STEPS_OF_TIME = (
    *(1.0, 2.0, 5.0, 10.0, 15.0, 30.0),
    *(MINUTE * n for n in (1, 2, 5, 10, 15, 30)),
    *(HOUR * n for n in (1, 2, 3, 6, 12)),
)


class Scale(NamedTuple):
    """Maps amounts from 0 to `most` to pixels from `start` to `stop`."""

    most: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        return self.start + (value / self.most if self.most else 0.0) * (self.stop - self.start)


def ticks(most: float, *, number: int = 6, time: bool = False) -> list[float]:
    """About `number` steps from 0 on: 1, 2 or 5 times a power of ten, or for `time` minutes and hours."""
    if most <= 0:
        return [0.0]
    least = most / number
    if time and least > 1:
        step = next((step for step in _STEPS_OF_TIME if step >= least), DAY * _round(least / DAY))
    else:
        step = _round(least)
    return [at * step for at in range(int(most / step + 1e-9) + 1)]


def _round(least: float) -> float:
    """The smallest of 1, 2, 5, 10 .. that is not below `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * part for part in (1, 2, 5, 10) if power * part >= least * (1 - 1e-9))
