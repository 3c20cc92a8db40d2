"""When the steps of a plan run, and on which machines: so how long it takes from beginning to end.

One machine does one step after another. A cluster runs at once what does not wait for each other, as far as
its machines go. A step begins as soon as its inputs are there and all that it holds is free at once; of
several that could, the one with most work behind it begins first, for it is what the end waits for.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from fusec.compiler.cost import Range
from fusec.compiler.placement import Place, Pool
from fusec.compiler.rooms import MEMORY_PARTS, Held, Rooms


class Span(NamedTuple):
    """When one step begins and ends, in seconds from the beginning of the first; on a cluster, and where."""

    start: float
    stop: float
    held: tuple[Held, ...] = ()


def timetable(
    seconds: Mapping[str, Range],
    places: Mapping[str, Place],
    needs: Mapping[str, Sequence[str]],
    pools: Sequence[Pool],
) -> tuple[dict[str, Span], Range]:
    """When and where steps run if they take their likely seconds, and how long all of it may take.

    `seconds` are in an order in which steps come after what they need; `needs` names what each one waits for.
    """
    low, likely, high = (
        spans({name: getattr(amount, level) for name, amount in seconds.items()}, places, needs, pools)
        for level in ("low", "likely", "high")
    )
    end = _end(likely)
    # Steps that are all shorter may begin in another order, and then end later.
    return likely, Range(min(_end(low), end), end, max(end, _end(high)))


def _end(found: Mapping[str, Span]) -> float:
    return max((span.stop for span in found.values()), default=0.0)


def spans(
    seconds: Mapping[str, float],
    places: Mapping[str, Place],
    needs: Mapping[str, Sequence[str]],
    pools: Sequence[Pool],
) -> dict[str, Span]:
    """When and where each step runs, in the order of their beginnings.

    Arguments as for `timetable`, each step with one length.
    """
    waits = {name: {need for need in needs[name] if need in seconds} for name in seconds}
    users: dict[str, list[str]] = {name: [] for name in seconds}
    for name, wanted in waits.items():
        for need in wanted:
            users[need].append(name)
    behind = _work_behind(seconds, users)
    asks = {name: _alike(places[name], pools) for name in seconds}
    rooms = Rooms(pools, sum(max(1, place.ask.gpus) for place in asks.values()))
    ready = _Ready()
    names = list(seconds)
    at_of = {name: at for at, name in enumerate(names)}
    for name in names:
        if not waits[name]:
            ready.add(asks[name], behind[name], at_of[name])

    found: dict[str, Span] = {}
    running: list[tuple[float, int]] = []
    now = 0.0
    while len(found) < len(names) or running:
        for at, held in ready.begin(rooms):
            name = names[at]
            found[name] = Span(now, now + seconds[name], held)
            heapq.heappush(running, (now + seconds[name], at))
        now = running[0][0]
        while running and running[0][0] == now:
            ended = names[heapq.heappop(running)[1]]
            rooms.give_back(found[ended].held)
            for user in users[ended]:
                waits[user].discard(ended)
                if not waits[user]:
                    ready.add(asks[user], behind[user], at_of[user])
    return found


class _Ready:
    """Steps that wait for machines alone: for each kind of request those with most work behind them first."""

    def __init__(self) -> None:
        self._by_ask: dict[Place, list[tuple[float, int]]] = {}

    def add(self, ask: Place, behind: float, at: int) -> None:
        heapq.heappush(self._by_ask.setdefault(ask, []), (-behind, at))

    def begin(self, rooms: Rooms) -> list[tuple[int, tuple[Held, ...]]]:
        """Takes out the steps that can begin now, with what they hold from now on."""
        begun = []
        heads = [(queue[0], n, ask) for n, (ask, queue) in enumerate(self._by_ask.items())]
        heapq.heapify(heads)
        while heads:
            (_, at), n, ask = heapq.heappop(heads)
            held = rooms.take(ask)
            if held is None:
                continue  # nor can any other that asks for the same
            begun.append((at, held))
            queue = self._by_ask[ask]
            heapq.heappop(queue)
            if queue:
                heapq.heappush(heads, (queue[0], n, ask))
            else:
                del self._by_ask[ask]
        return begun


def _work_behind(seconds: Mapping[str, float], users: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Seconds from the beginning of each step to the end of the longest chain that waits for it."""
    behind: dict[str, float] = {}
    for name in reversed(list(seconds)):
        behind[name] = seconds[name] + max((behind[user] for user in users[name]), default=0.0)
    return behind


def _alike(place: Place, pools: Sequence[Pool]) -> Place:
    """The place without what makes no difference to when it is free, so that like requests are equal."""
    ask = msgspec.structs.replace(place.ask, bf16=place.ask.bf16 and place.ask.spread)
    memory = 0.0
    if ask.spread:
        memory = ask.memory
    elif ask.cpus is not None and (most := pools[place.pools[0]].memory) is not None:
        memory = float(-(-int(ask.memory * MEMORY_PARTS) // most) * most / MEMORY_PARTS)
    return msgspec.structs.replace(place, ask=msgspec.structs.replace(ask, memory=memory))


def one_by_one(seconds: Mapping[str, float]) -> dict[str, Span]:
    """When each step runs on a machine that does one after another."""
    found, now = {}, 0.0
    for name, amount in seconds.items():
        found[name] = Span(now, now + amount)
        now += amount
    return found


def longest_chain(seconds: Mapping[str, float], needs: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The steps that wait for each other and take longest together: no number of machines is faster.

    `seconds` are in an order in which steps come after what they need, and the first of equals is taken.
    """
    whole: dict[str, float] = {}
    before: dict[str, str | None] = {}
    for name, amount in seconds.items():
        known = [need for need in needs[name] if need in whole]
        last = max(known, key=whole.__getitem__, default=None)
        before[name] = last
        whole[name] = amount + (0.0 if last is None else whole[last])
    chain: list[str] = []
    at = max(whole, key=whole.__getitem__, default=None)
    while at is not None:
        chain.append(at)
        at = before[at]
    return tuple(reversed(chain))
