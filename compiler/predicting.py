"""Seconds of a step from its amounts, the rates of where it runs, and what steps like it took."""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec

from fusec.compiler.cost import Cost, Range, Rates
from fusec.compiler.evidence import Correction

_FIXED = math.log(3)
"""How far off, as a logarithm, the built-in numbers for start and loading may be."""


class Basis(msgspec.Struct, frozen=True):
    """Where the likely seconds of a step come from; its first six numbers add up to them.

    `factor` is by how much the rates were corrected, and `runs` by how many earlier steps.
    """

    start: float
    loading: float
    reading: float
    decoding: float
    computing: float
    writing: float
    factor: float = 1.0
    runs: int = 0


def predict(rates: Rates, correction: Correction, cost: Cost, loading: float = 0.0) -> tuple[Range, Basis]:
    """Seconds if reading, computing and writing do not overlap, and what they consist of.

    What the amounts leave open stays in the range; what the rates leave open narrows with evidence.
    `loading` is what libraries that the step is first to need take by the table.
    """
    parts = rates.parts(cost)
    reading, decoding, computing, writing = (
        correction.work * amount.likely / speed.likely for amount, speed in parts
    )
    basis = Basis(
        correction.start,
        correction.loading * loading,
        reading,
        decoding,
        computing,
        writing,
        correction.work,
        correction.runs,
    )
    fixed = basis.start + basis.loading
    narrow = correction.width(_FIXED)

    def bound(amount: Callable[[Range], float], speed: Callable[[Range], float], sign: int) -> float:
        """Work with low or high amounts, at rates that are off as far as one has seen."""
        usual = sum(amount(used) / rate.likely for used, rate in parts)
        extreme = sum(amount(used) / speed(rate) for used, rate in parts)
        wide = abs(math.log(extreme / usual)) if usual else 0.0
        off = math.exp(sign * correction.width(wide))
        return fixed * math.exp(sign * narrow) + correction.work * usual * off

    low = bound(lambda used: used.low, lambda rate: rate.high, -1)
    high = bound(lambda used: used.high, lambda rate: rate.low, 1)
    likely = fixed + reading + decoding + computing + writing
    return Range(min(low, likely), likely, max(high, likely)), basis
