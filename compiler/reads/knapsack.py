"""The choice of most worth within a budget: one option or none of each group, costs summed up.

The steps of all hulls, taken by gain per byte, are the optimum of the relaxed problem, in which the step at
the edge of the budget may be taken in part. What that is worth bounds every choice; a choice that reaches
it is the best. Where budget is left over, the gap is closed in one of two ways:

- Items of at most two lengths: with so many of one length, the best of them, as many of the other as still
  fit. All such pairs are tried. This is exact for any number of items.
- Otherwise groups are revisited in the order of how little a change would lose at the edge's price, keeping
  every partial choice that is neither dominated nor bounded away. This is exact unless more than `NODES` of
  them come up; then what those at hand might still have reached stands as the bound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusec.compiler.reads.columns import I64
from fusec.compiler.reads.menu import Menu, sums_before

NODES = 200_000
SEARCHED = 20_000
"""With more options than this the edge alone is a gap of no consequence: less than one part in 10^4."""
FILLERS = 512
"""Steps behind the edge that are tried for what is left of the budget."""


@dataclass(frozen=True, eq=False)
class Choice:
    """`taken` (G,) int32: number of the option taken, -1 for none. No choice within the limit is worth more
    than `bound`, in the menu's units."""

    taken: NDArray[np.int32]
    cost: int
    worth: int
    bound: int


@dataclass(frozen=True, eq=False)
class Changes:
    """Ways to alter one group of a choice: to another option, or to none (-1); what that adds."""

    group: I64
    option: I64
    cost: I64
    worth: I64

    def only(self, which: I64) -> Changes:
        return Changes(self.group[which], self.option[which], self.cost[which], self.worth[which])


@dataclass(frozen=True, eq=False)
class Length:
    """The steps of one cost in greedy order, and their worth summed up from 0."""

    cost: int
    steps: NDArray[np.int32]
    gained: I64


def _length(menu: Menu, cost: int) -> Length:
    steps = menu.steps[np.take(menu.cost, menu.steps) == cost]
    return Length(cost, steps, sums_before(np.take(menu.worth, steps)))


class Knapsack:
    """Answers for any budget over one menu. What does not depend on the budget is worked out once.

    All costs are multiples of `divisor`, so no budget does more than the multiple below it.
    """

    def __init__(self, menu: Menu) -> None:
        self.menu = menu
        lengths = np.unique(menu.cost).tolist()
        self.divisor = math.gcd(*lengths) or 1
        self._lengths = [_length(menu, cost) for cost in lengths] if menu.single and len(lengths) == 2 else []

    def best(self, limit: int) -> Choice:
        """The choice for at most `limit` bytes; 0 takes nothing."""
        menu = self.menu
        limit = min(limit, int(menu.spent[-1])) // self.divisor * self.divisor
        edge = int(np.searchsorted(menu.spent, limit, "right")) - 1
        cost, worth = int(menu.spent[edge]), int(menu.gained[edge])
        if cost == limit:
            return Choice(self._prefix(edge), cost, worth, worth)
        step_cost, step_worth = int(menu.spent[edge + 1]) - cost, int(menu.gained[edge + 1]) - worth
        bound = worth + step_worth * (limit - cost) // step_cost
        if self._lengths:
            return self._two_lengths(limit)
        filled = self._fill(self._prefix(edge), cost, worth, edge, limit, bound)
        if filled.worth >= bound or len(menu.cost) > SEARCHED:
            return filled
        return self._search(edge, limit, filled)

    def _prefix(self, edge: int) -> NDArray[np.int32]:
        """What the first steps choose; a later step of a group stands for the earlier ones."""
        taken = np.full(len(self.menu.full), -1, np.int32)
        steps = self.menu.steps[:edge]
        taken[self.menu.groups_of(steps)] = steps
        return taken

    def _fill(
        self, taken: NDArray[np.int32], cost: int, worth: int, edge: int, limit: int, bound: int
    ) -> Choice:
        """Later steps that still fit, each onto what its group has."""
        menu = self.menu
        steps = menu.steps[edge : edge + FILLERS]
        costs = np.diff(menu.spent[edge : edge + FILLERS + 1]).tolist()
        gains = np.diff(menu.gained[edge : edge + FILLERS + 1]).tolist()
        waiting: set[int] = set()
        for step, group, more, gain in zip(steps, menu.group[steps].tolist(), costs, gains, strict=True):
            if group in waiting or cost + more > limit:
                waiting.add(group)
                continue
            taken[group] = step
            cost += more
            worth += gain
        return Choice(taken, cost, worth, bound)

    def _two_lengths(self, limit: int) -> Choice:
        menu = self.menu
        fewer, more = sorted(self._lengths, key=lambda length: len(length.steps))
        count = np.arange(min(len(fewer.steps), limit // fewer.cost) + 1)
        rest = np.minimum((limit - count * fewer.cost) // more.cost, len(more.steps))
        total = fewer.gained[count] + more.gained[rest]
        best = int(np.argmax(total))
        steps = np.concatenate([fewer.steps[:best], more.steps[: rest[best]]])
        taken = np.full(len(menu.full), -1, np.int32)
        taken[menu.groups_of(steps)] = steps
        cost, worth = best * fewer.cost + int(rest[best]) * more.cost, int(total[best])
        return Choice(taken, cost, worth, worth)

    def _search(self, edge: int, limit: int, known: Choice) -> Choice:
        """Partial choices are counted from the steps before the edge: (added cost, added worth)."""
        menu = self.menu
        start = self._prefix(edge)
        room, reached = limit - int(menu.spent[edge]), int(menu.gained[edge])
        price = float(np.diff(menu.gained[edge : edge + 2])[0] / np.diff(menu.spent[edge : edge + 2])[0])
        best = known.worth - reached
        changes = self._changes(start)
        loss = price * changes.cost - changes.worth
        # Hulls come from float64 and worth is rounded: what a change seems to win loosens the bound.
        loose = float(np.maximum(-loss, 0).sum())
        viable = np.flatnonzero(price * room + loose - loss > best)
        changes, loss = changes.only(viable), loss[viable]
        least = np.full(len(menu.full), np.inf)
        np.minimum.at(least, changes.group, loss)
        order = np.lexsort((loss, changes.group, least[changes.group]))
        changes = changes.only(order)

        cost, worth, hope = np.zeros(1, np.int64), np.zeros(1, np.int64), np.zeros(1)
        layers: list[tuple[NDArray[np.intp], NDArray[np.intp]]] = []
        winner, nodes = (-1, 0), 0
        for group in np.split(np.arange(len(order)), np.flatnonzero(np.diff(changes.group)) + 1):
            parent = np.tile(np.arange(len(cost)), len(group) + 1)
            change = np.repeat(np.append(-1, group), len(cost))
            cost = np.append(cost, changes.cost[group][:, None] + cost)
            worth = np.append(worth, changes.worth[group][:, None] + worth)
            hope = worth + price * (room - cost) + loose
            fits = np.flatnonzero((cost <= room) & (worth > best))
            if len(fits):
                top = fits[np.argmax(worth[fits])]
                best = int(worth[top])
            alive = _undominated(cost, worth, np.flatnonzero(hope > best))
            if len(fits):
                winner = len(layers), len(alive)
                alive = np.append(alive, top)
            layers.append((parent[alive], change[alive]))
            cost, worth, hope = cost[alive], worth[alive], hope[alive]
            nodes += len(alive)
            if nodes > NODES or not len(alive):
                break
        bound = best if nodes <= NODES else min(max(best, int(hope.max())), known.bound - reached)
        if winner[0] < 0:
            return Choice(known.taken, known.cost, known.worth, reached + bound)
        layer, at = winner
        for parent, change in reversed(layers[: layer + 1]):
            if change[at] >= 0:
                start[changes.group[change[at]]] = changes.option[change[at]]
            at = int(parent[at])
        return Choice(start, int(menu.cost[start[start >= 0]].sum()), reached + best, reached + bound)

    def _changes(self, start: NDArray[np.int32]) -> Changes:
        menu = self.menu
        now_cost, now_worth = (np.where(start >= 0, column[start], 0) for column in (menu.cost, menu.worth))
        option = np.flatnonzero(start[menu.group] != np.arange(len(menu.cost)))
        group = menu.group[option]
        leave = np.flatnonzero(start >= 0)
        return Changes(
            np.append(group, leave),
            np.append(option, np.full(len(leave), -1)),
            np.append(menu.cost[option] - now_cost[group], -now_cost[leave]),
            np.append(menu.worth[option] - now_worth[group], -now_worth[leave]),
        )


def _undominated(cost: I64, worth: I64, among: NDArray[np.intp]) -> NDArray[np.intp]:
    """Those that are worth more than all that cost no more."""
    among = among[np.lexsort((-worth[among], cost[among]))]
    ranked = worth[among]
    better = np.ones(len(among), bool)
    better[1:] = ranked[1:] > np.maximum.accumulate(ranked)[:-1]
    return among[better]
