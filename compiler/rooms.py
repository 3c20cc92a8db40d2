"""The machines of a cluster while steps come and go: what is free in each, and who holds what.

A step with GPUs holds as much of the processors and the memory of a machine as it holds of its GPUs; a step
without `resources` a whole machine. Machines of pools that are alike stand in for each other.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from fusec.compiler.placement import Ask, Place, Pool, holds

MEMORY_PARTS = 16  # memory is given out in parts of a machine, rounded up: few sizes are quick to compare


class Room(NamedTuple):
    """Processors, GPUs and parts of the memory of one machine, free or held."""

    gpus: int
    cpus: int
    memory: int

    def fits_in(self, other: Room) -> bool:
        return self.gpus <= other.gpus and self.cpus <= other.cpus and self.memory <= other.memory

    def plus(self, other: Room) -> Room:
        return Room(self.gpus + other.gpus, self.cpus + other.cpus, self.memory + other.memory)

    def minus(self, other: Room) -> Room:
        return Room(self.gpus - other.gpus, self.cpus - other.cpus, self.memory - other.memory)


class Held(NamedTuple):
    """What a step holds of machine number `machine` of a pool, both counted from 0."""

    pool: int
    machine: int
    gpus: int
    cpus: int
    memory: int  # in parts of `MEMORY_PARTS`


def whole(pool: Pool) -> Room:
    """All of one machine; where nobody stated its processors, as many as let its GPUs share them."""
    return Room(pool.gpus, pool.cpus or max(pool.gpus, 1), MEMORY_PARTS)


def room_of(ask: Ask, count: int, pool: Pool) -> Room:
    """What a step holds of a machine of the pool: `count` of its GPUs, or processors."""
    all_of_it = whole(pool)
    if ask.groups:
        return Room(count, all_of_it.cpus * count // pool.gpus, MEMORY_PARTS * count // pool.gpus)
    if ask.cpus is None or pool.cpus is None:
        return all_of_it
    memory = -(-int(ask.memory * MEMORY_PARTS) // pool.memory) if pool.memory else 0
    return Room(0, ask.cpus, memory)


class Rooms:
    """What is free in every machine; `most` is how many of a pool can be in use at all."""

    def __init__(self, pools: Sequence[Pool], most: int) -> None:
        self._pools = pools
        kinds: dict[object, list[int]] = defaultdict(list)
        for at, pool in enumerate(pools):
            kinds[pool.cpus, pool.gpus, pool.device, pool.memory, pool.price].append(at)
        self._alike = {at: alike for alike in kinds.values() for at in alike}
        self._free: dict[tuple[int, int], Room] = {}
        # For each pool: machines by what is free in them. Entries may be out of date; `_free` decides.
        self._by_room: list[dict[Room, list[int]]] = []
        for at, pool in enumerate(pools):
            machines = range(min(pool.count, most))
            self._free.update({(at, machine): whole(pool) for machine in machines})
            self._by_room.append({whole(pool): list(machines)})

    def take(self, place: Place) -> tuple[Held, ...] | None:
        """Holds what a step needs, all of it at once; None, and nothing held, where that is not free."""
        ask = place.ask
        if ask.spread:
            return self._take_spread(place)
        counts = [count for _, count in ask.groups] or [0]
        wanted = zip(counts, place.pools, strict=True)
        taken: list[Held] = []
        for count, pool in sorted(wanted, reverse=True):
            held = self._take_one(ask, count, self._alike[pool])
            if held is None:
                self.give_back(taken)
                return None
            taken.append(held)
        return tuple(taken)

    def give_back(self, held: Iterable[Held]) -> None:
        for pool, machine, *room in held:
            self._set(pool, machine, self._free[pool, machine].plus(Room(*room)))

    def _take_one(self, ask: Ask, count: int, pools: Sequence[int]) -> Held | None:
        """The machine in which least is left over; the first of those that are alike."""
        wanted = room_of(ask, count, self._pools[pools[0]])
        able = [(room, pool) for pool in pools for room in self._rooms(pool) if wanted.fits_in(room)]
        if not able:
            return None
        room, pool = min(able)
        return self._hold(pool, self._by_room[pool][room][0], wanted)

    def _take_spread(self, place: Place) -> tuple[Held, ...] | None:
        """GPUs from machine after machine, those with most free GPUs first, its own pool before others."""
        own, left, taken = place.pools[0], place.ask.gpus, list[Held]()
        able = [at for at, pool in enumerate(self._pools) if holds(pool, place.ask)]
        for pool in sorted(able, key=lambda at: (at != own, at)):
            while left:
                able_now = [
                    (room, wanted)
                    for room in self._rooms(pool)
                    if (wanted := room_of(place.ask, min(left, room.gpus), self._pools[pool])).fits_in(room)
                    and wanted.gpus
                ]
                if not able_now:
                    break
                room, wanted = max(able_now)
                taken.append(self._hold(pool, self._by_room[pool][room][0], wanted))
                left -= wanted.gpus
        if left:
            self.give_back(taken)
            return None
        return tuple(taken)

    def _rooms(self, pool: int) -> list[Room]:
        """What is free in the machines of a pool, each amount once; the first machine of each is at hand."""
        by_room = self._by_room[pool]
        for room in list(by_room):
            machines = by_room[room]
            while machines and self._free[pool, machines[0]] != room:
                heapq.heappop(machines)
            if not machines:
                del by_room[room]
        return list(by_room)

    def _hold(self, pool: int, machine: int, room: Room) -> Held:
        self._set(pool, machine, self._free[pool, machine].minus(room))
        return Held(pool, machine, room.gpus, room.cpus, room.memory)

    def _set(self, pool: int, machine: int, free: Room) -> None:
        self._free[pool, machine] = free
        heapq.heappush(self._by_room[pool].setdefault(free, []), machine)
