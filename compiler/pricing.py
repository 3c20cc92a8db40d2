"""What a step takes where it was placed: seconds, GPU time, money.

A step pays for the share of each machine that it holds, by its GPUs or by its processors, as long as it
holds it. Machines that stand idle beside it are not counted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from fusec.compiler.cost import Cost, Range, Rates, exactly
from fusec.compiler.evidence import Corrections, Pair
from fusec.compiler.measured import Measured
from fusec.compiler.methods.target import Local, Ray
from fusec.compiler.placement import Place, Pool, ask_of, place, pools_of
from fusec.compiler.predicting import Basis, predict
from fusec.compiler.step import Step
from fusec.compiler.typed import TypedTarget
from fusec.lang.units import quantity_text

# The share of a data sheet's speed that training and scoring reach, from a poor to a very good run.
UTILIZATION = Range(0.1, 0.35, 0.55)


class Machines:
    """Where steps run and what they take there; without a target this machine.

    What was measured counts for this machine alone, so not for steps on a cluster.
    """

    def __init__(self, target: TypedTarget | None, measured: Measured | None = None) -> None:
        self._target = target
        self.pools = pools_of(target) if target is not None else ()
        prices = [pool.price for pool in self.pools if pool.price is not None]
        self.currency = prices[0].kind.removesuffix("/h") if prices else ""
        self._measured = (measured or Measured()) if not self.parallel else Measured()
        self._corrections: dict[tuple[str, Rates], Corrections] = {}

    @property
    def parallel(self) -> bool:
        """Whether steps run beside each other."""
        return self._target is not None and isinstance(self._target.value, Ray)

    @property
    def rates_name(self) -> str:
        stated = []
        name = "local cpu" if self._target is None else f"target {self._target.name}"
        if self._target is not None and (read := read_rate(self._target)) is not None:
            stated.append(f"{quantity_text(read, 'Rate')} as stated")
        devices = sorted({pool.device.name for pool in self.pools if pool.device is not None})
        if devices:
            used = f"{UTILIZATION.likely:.0%} ({UTILIZATION.low:.0%} .. {UTILIZATION.high:.0%})"
            stated.append(f"{', '.join(devices)} at {used} of the data sheet")
        probe = self._measured.probe
        speeds = "built-in" if probe is None else f"probed {probe.date}"
        if probe is None:
            speeds += " rest" if stated else " rates"
        corrected = sum(corrections.used for corrections in self._corrections.values())
        learned = [f"corrected by {corrected} earlier step{'s' * (corrected > 1)}"] if corrected else []
        return ", ".join((name, *stated, speeds, *learned))

    @property
    def speeds(self) -> Rates | None:
        """The speeds of this machine; None on a cluster, whose machines may differ."""
        if self.parallel:
            return None
        if self._target is None:
            return self._measured.rates(None)
        return _with_stated_read(self._measured.rates(self.pools[0].cpus), self._target)

    def price(self, step: Step, cost: Cost, method: str = "", loading: float = 0.0) -> Price:
        """Place, seconds and money of one step; what fits nowhere is priced as if on this machine.

        `method` is the first of its methods, `loading` as `predict` takes it.
        """
        found = place(ask_of(step, cost, self.pools), self.pools) if self._target is not None else None
        if self._target is None or found is None:
            rates = self._measured.rates(None)
            correction = self._learned("cpu", rates).of(step.verb, method)
            return Price(None, *predict(rates, correction, cost, loading))
        rates = rates_at(self._target, found, self.pools, self._measured)
        device = "cuda" if found.ask.groups else "cpu"
        correction = self._learned(device, rates).of(step.verb, method)
        seconds, basis = predict(rates, correction, cost, loading)
        price = price_at(found, self.pools)
        return Price(found, seconds, basis, None if price is None else seconds * (price / 3600))

    def _learned(self, device: str, rates: Rates) -> Corrections:
        known = self._corrections.get((device, rates))
        if known is None:
            cpus = self.pools[0].cpus if self.pools else None
            pairs = with_threads(cpus or self._measured.threads, device, self._measured.pairs)
            known = self._corrections[device, rates] = Corrections(pairs, rates)
        return known


def with_threads(threads: int, device: str, pairs: Sequence[Pair]) -> list[Pair]:
    """The steps that ran on a device with as many threads, or with a number as near as there is."""
    there = [pair for pair in pairs if pair.device == device]
    counts = {pair.threads for pair in there}
    near = min(counts, key=lambda count: (abs(math.log(count / threads)), count), default=threads)
    return [pair for pair in there if pair.threads == near]


class Price(NamedTuple):
    """What a step takes: where, how long and why, and for how much where that is known."""

    place: Place | None
    seconds: Range
    basis: Basis
    money: Range | None = None


def rates_at(target: TypedTarget, place: Place, pools: Sequence[Pool], measured: Measured) -> Rates:
    """The speeds that a step has where it runs; the read rate is the target's where it states one."""
    rates = measured.rates(place.ask.cpus or pools[place.pools[0]].cpus or 1)
    flops = rates.flops
    if place.ask.groups:
        speed = sum(
            count * device.flops
            for (_, count), at in zip(place.ask.groups, place.pools, strict=True)
            if (device := pools[at].device) is not None
        )
        flops = UTILIZATION * speed
    return _with_stated_read(msgspec.structs.replace(rates, flops=flops), target)


def _with_stated_read(rates: Rates, target: TypedTarget) -> Rates:
    read = read_rate(target)
    return rates if read is None else msgspec.structs.replace(rates, read=exactly(read))


def read_rate(target: TypedTarget) -> float | None:
    """Bytes per second, where the target states them."""
    assert isinstance(target.value, (Local, Ray))
    return target.value.read_rate


def price_at(place: Place, pools: Sequence[Pool]) -> float | None:
    """What the step costs per hour, in the currency of the target; None where a price is missing."""
    if not place.ask.groups:
        pool = pools[place.pools[0]]
        share = place.ask.cpus / pool.cpus if place.ask.cpus and pool.cpus else 1.0
        return None if pool.price is None else float(pool.price.value) * share
    total = 0.0
    for (_, count), at in zip(place.ask.groups, place.pools, strict=True):
        pool = pools[at]
        if pool.price is None:
            return None
        total += float(pool.price.value) * count / pool.gpus
    return total
