"""What a step takes where it was placed: seconds, GPU time, money.

A step pays for the share of each machine that it holds, by its GPUs or by its processors, as long as it
holds it. Machines that stand idle beside it are not counted.
"""

from __future__ import annotations

from collections.abc import Sequence

from fusec.compiler.cost import LOCAL_CPU, Cost, Range, Rates, exactly
from fusec.compiler.methods.target import Local, Ray
from fusec.compiler.placement import Place, Pool, ask_of, place, pools_of
from fusec.compiler.step import Step
from fusec.compiler.typed import TypedTarget
from fusec.lang.units import quantity_text

# The share of a data sheet's speed that training and scoring reach, from a poor to a very good run.
UTILIZATION = Range(0.1, 0.35, 0.55)


class Machines:
    """Where steps run and what they take there; without a target this machine, with one processor."""

    def __init__(self, target: TypedTarget | None) -> None:
        self._target = target
        self.pools = pools_of(target) if target is not None else ()
        prices = [pool.price for pool in self.pools if pool.price is not None]
        self.currency = prices[0].kind.removesuffix("/h") if prices else ""

    @property
    def parallel(self) -> bool:
        """Whether steps run beside each other."""
        return self._target is not None and isinstance(self._target.value, Ray)

    @property
    def rates_name(self) -> str:
        if self._target is None:
            return LOCAL_CPU.name
        read = read_rate(self._target)
        stated = (
            "built-in rates" if read is None else f"{quantity_text(read, 'Rate')} as stated, built-in rest"
        )
        return f"target {self._target.name}, {stated}"

    def price(self, step: Step, cost: Cost) -> tuple[Place | None, Range, Range | None]:
        """Place, seconds and money of one step; what fits nowhere is priced as if on this machine."""
        found = place(ask_of(step, cost, self.pools), self.pools) if self._target is not None else None
        if self._target is None or found is None:
            return None, LOCAL_CPU.seconds(cost), None
        seconds = rates_at(self._target, found, self.pools).seconds(cost)
        price = price_at(found, self.pools)
        return found, seconds, None if price is None else seconds * (price / 3600)


def rates_at(target: TypedTarget, place: Place, pools: Sequence[Pool]) -> Rates:
    """The speeds that a step has where it runs; the read rate is the target's where it states one."""
    flops = LOCAL_CPU.flops
    if place.ask.groups:
        speed = sum(
            count * device.flops
            for (_, count), at in zip(place.ask.groups, place.pools, strict=True)
            if (device := pools[at].device) is not None
        )
        flops = UTILIZATION * speed
    else:
        cpus = place.ask.cpus or pools[place.pools[0]].cpus or 1
        flops = Range(flops.low * (cpus + 1) / 2, flops.likely * (3 * cpus + 1) / 4, flops.high * cpus)
    read = read_rate(target)
    return Rates(target.name, LOCAL_CPU.read if read is None else exactly(read), LOCAL_CPU.write, flops)


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
