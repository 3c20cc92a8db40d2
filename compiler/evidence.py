"""What steps took before, and what that says of the next one like them.

A step takes `start + loading * L + work * B` seconds: `L` is what the libraries that it was first to need
take to load by the table, `B` what its amounts take at the rates. A `Correction` is the three numbers that
fit earlier steps best: in logarithms, by absolute differences, so that one wild step moves little, and held
towards the built-in numbers, so that one step alone does not decide. It never enters an identity.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from fusec.compiler.cost import Cost, Rates, exactly

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

START = 0.02
WIDEST = math.log(5)
"""How far off, as a logarithm, one earlier step may count for the width of later ranges."""
_NINE_IN_TEN = 1.64
_NOISE = 0.5
_POINTS, _REACH, _FINER, _ROUNDS = 9, 6.0, 3.0, 8


class Pair(msgspec.Struct, frozen=True, order=True):
    """The amounts that a step was expected to use, and the seconds that it took.

    `method` is the first of its methods, if it has any; `device` and `threads` are what it ran on. `loading`
    is what the libraries that it loaded take by the table. Failed tries are no pairs.
    """

    verb: str
    method: str
    device: str
    threads: int
    reads: float
    expert_reads: float
    flops: float
    writes: float
    loading: float
    seconds: float

    def work(self, rates: Rates) -> float:
        """Seconds that its amounts take at likely rates."""
        amounts = (self.reads, self.writes, self.expert_reads, self.flops)
        reads, writes, experts, flops = map(exactly, amounts)
        return rates.likely(Cost(reads, writes, experts, flops))


class Correction(msgspec.Struct, frozen=True):
    """How steps of a kind differ from the rates, learned from `runs` of them.

    `start` is in seconds, `loading` and `work` are factors. `error` is the mean square of what the fit
    leaves, as a logarithm that nine in ten steps stay within.
    """

    start: float = START
    loading: float = 1.0
    work: float = 1.0
    runs: int = 0
    error: float = 0.0

    def width(self, wide: float) -> float:
        """A range of half width `wide`, as a logarithm, after the evidence; the rates count as one run."""
        return math.sqrt((wide**2 + self.runs * min(self.error, wide**2)) / (1 + self.runs))


BUILT_IN = Correction()


@lru_cache(maxsize=1000)
def fit(
    pairs: tuple[Pair, ...], rates: Rates, prior: Correction = BUILT_IN, trust: float = 1.0
) -> Correction:
    """The correction of steps of one kind, in whatever order they come.

    `trust` is by which logarithm its numbers may lie from those of `prior` without much evidence.
    """
    import numpy as np

    if not pairs:
        return prior
    ordered = sorted(pairs)
    parts = np.array([[1.0, pair.loading, pair.work(rates)] for pair in ordered])
    took = np.log([pair.seconds for pair in ordered])
    center = np.log([prior.start, prior.loading, prior.work])
    best = _search(parts, took, center, trust)
    left = (took - np.log(parts @ np.exp(best))) * _NINE_IN_TEN
    start, loading, work = (_rounded(math.exp(value)) for value in best)
    error = float(np.minimum(left**2, WIDEST**2).mean())
    return Correction(start, loading, work, len(ordered), _rounded(error))


def _search(
    parts: NDArray[np.float64], took: NDArray[np.float64], center: NDArray[np.float64], trust: float
) -> NDArray[np.float64]:
    """The logarithms of the three numbers: a grid around the best so far, finer each round.

    The sum has kinks and may have several valleys, which a descent would not survive.
    """
    import numpy as np

    best, reach = center, _REACH
    # A number that no step depends on stays what it was.
    free = [bool(column.any()) for column in parts.T]
    for _ in range(_ROUNDS):
        offsets = np.linspace(-reach, reach, _POINTS)
        axes = [at + offsets if moves else at[None] for at, moves in zip(best, free, strict=True)]
        grid = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)
        misfit = np.abs(took - np.log(np.exp(grid) @ parts.T)).sum(axis=1) / _NOISE
        held = ((grid - center) ** 2).sum(axis=1) / (2 * trust**2)
        best, reach = grid[np.argmin(misfit + held)], reach / _FINER
    return best


def _rounded(value: float) -> float:
    """Four digits: enough for a plan, and the same on machines whose logarithms differ in the last bit."""
    return float(f"{value:.4g}")


class Corrections:
    """The corrections of all kinds of steps that ran on one device with as many threads."""

    def __init__(self, pairs: Sequence[Pair], rates: Rates) -> None:
        self._pairs, self._rates = pairs, rates
        self._known: dict[tuple[str, str], Correction] = {}

    @property
    def used(self) -> int:
        """How many earlier steps the corrections given so far stand on."""
        verbs = {verb for verb, _ in self._known}
        return sum(pair.verb in verbs for pair in self._pairs)

    def of(self, verb: str, method: str) -> Correction:
        """From steps of the verb, and closer from those with the same method."""
        known = self._known.get((verb, method))
        if known is None:
            alike = tuple(pair for pair in self._pairs if pair.verb == verb)
            known = fit(alike, self._rates)
            closer = tuple(pair for pair in alike if pair.method == method)
            if 0 < len(closer) < len(alike):
                known = fit(closer, self._rates, known, trust=0.5)
            self._known[verb, method] = known
        return known
