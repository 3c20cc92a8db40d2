"""What is known of the machine that plans: a probe of its speeds, and what steps took on it.

It lies in the store beside the results, so a plan depends on its spec and its store and on nothing else.
"""

from __future__ import annotations

import msgspec

from fusec.compiler.cost import LOCAL_CPU, Range, Rates
from fusec.compiler.evidence import Pair

# The share of the speed of a large matrix product that training and scoring reach on processors.
_OF_PRODUCTS = Range(0.1, 0.4, 1.0)


class Probe(msgspec.Struct, frozen=True):
    """Speeds as measured: bytes and fp32 operations per second.

    `date` is the day; `hardware` names the machine; `flops` are those of one thread and of `threads` in large
    matrix products; `decode` is the speed at which one thread makes stored weights into numbers.
    """

    date: str
    hardware: str
    threads: int
    read: Range
    write: Range
    flops: tuple[Range, Range]
    decode: Range

    def rates(self, cpus: int | None) -> Rates:
        """The speeds with that many processors, all that were probed where None says so."""
        one, all_ = self.flops
        share = min(1.0, ((cpus or self.threads) - 1) / max(self.threads - 1, 1))
        low, likely, high = (
            (a + (b - a) * share) * of
            for a, b, of in (
                (one.low, all_.low, _OF_PRODUCTS.low),
                (one.likely, all_.likely, _OF_PRODUCTS.likely),
                (one.high, all_.high, _OF_PRODUCTS.high),
            )
        )
        return Rates(
            f"local cpu, probed {self.date}", self.read, self.write, Range(low, likely, high), self.decode
        )


class Measured(msgspec.Struct, frozen=True):
    """`threads` is how many a run uses unless it is told otherwise."""

    threads: int = 1
    probe: Probe | None = None
    pairs: tuple[Pair, ...] = ()

    def rates(self, cpus: int | None) -> Rates:
        """The speeds of this machine; built-in ones are those of one processor unless `cpus` says more."""
        if self.probe is not None:
            return self.probe.rates(cpus)
        return LOCAL_CPU if cpus is None else msgspec.structs.replace(LOCAL_CPU, flops=_of_cpus(cpus))


def _of_cpus(cpus: int) -> Range:
    flops = LOCAL_CPU.flops
    return Range(flops.low * (cpus + 1) / 2, flops.likely * (3 * cpus + 1) / 4, flops.high * cpus)
