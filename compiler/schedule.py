"""How long a plan takes from beginning to end.

One machine does one step after another. A cluster runs at once what does not wait for each other, as far as
its machines go: steps begin in the order of the plan, each as soon as its inputs are there and the share
of the machines that it holds is free. How shares lie in single machines is left to the executor.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

from fusec.compiler.cost import Range
from fusec.compiler.placement import Place, Pool

ROUNDING = 1e-9


def wall_time(
    seconds: Mapping[str, Range],
    places: Mapping[str, Place],
    needs: Mapping[str, Sequence[str]],
    pools: Sequence[Pool],
) -> Range:
    """Low, likely and high seconds of steps in order; `needs` names those that each one waits for."""
    return Range(
        *(
            _makespan(
                {name: getattr(amount, level) for name, amount in seconds.items()}, places, needs, pools
            )
            for level in ("low", "likely", "high")
        )
    )


def _makespan(
    seconds: Mapping[str, float],
    places: Mapping[str, Place],
    needs: Mapping[str, Sequence[str]],
    pools: Sequence[Pool],
) -> float:
    free = [float(pool.count) for pool in pools]
    shares = {name: _shares(places[name], pools) for name in seconds}
    open_needs = {name: {need for need in needs[name] if need in seconds} for name in seconds}
    users: dict[str, list[str]] = {name: [] for name in seconds}
    for name, wanted in open_needs.items():
        for need in wanted:
            users[need].append(name)
    rank = {name: at for at, name in enumerate(seconds)}
    ready = [rank[name] for name in seconds if not open_needs[name]]
    names, running, now = list(seconds), list[tuple[float, int]](), 0.0
    while ready or running:
        begun = set()
        for at in sorted(ready):
            if max(free) <= ROUNDING:
                break
            held = shares[names[at]]
            if all(share <= free[pool] + ROUNDING for pool, share in held.items()):
                begun.add(at)
                for pool, share in held.items():
                    free[pool] -= share
                heapq.heappush(running, (now + seconds[names[at]], at))
        ready = [at for at in ready if at not in begun]
        now, ended = heapq.heappop(running)
        for pool, share in shares[names[ended]].items():
            free[pool] += share
        for user in users[names[ended]]:
            open_needs[user].discard(names[ended])
            if not open_needs[user]:
                ready.append(rank[user])
    return now


def _shares(place: Place, pools: Sequence[Pool]) -> dict[int, float]:
    """How much of each pool's machines a step holds."""
    if not place.ask.groups:
        at = place.pools[0]
        cpus = pools[at].cpus
        return {at: place.ask.cpus / cpus if place.ask.cpus and cpus else 1.0}
    shares: dict[int, float] = {}
    for (_, count), at in zip(place.ask.groups, place.pools, strict=True):
        shares[at] = shares.get(at, 0.0) + count / pools[at].gpus
    # A step that spreads may reach into other pools; it holds all of its first one then.
    return {at: min(share, float(pools[at].count)) for at, share in shares.items()}
