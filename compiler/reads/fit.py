"""Makes a choice fit its budget in physical bytes: margins and gaps are found out only once ranges are drawn.

The budget of the choice is lowered, which gives up what gains least per byte, until the ranges fit. What is
then left over goes to further steps, each charged as if its reads lay apart from all others. Blocks that lie
in the gaps of what is read are used too: they are paid for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fusec.compiler.reads.knapsack import Knapsack
from fusec.compiler.reads.layout import Layout
from fusec.compiler.reads.menu import I32

ROUNDS = 12
NEAR = 1024
"""Physical bytes within one part in 1024 of the budget are near enough: the rest is filled step by step."""

REFILLS = 4096


@dataclass(frozen=True, eq=False)
class Fitted:
    """`taken` as in `Choice`; `bound` holds for every choice whose physical bytes are within the limit."""

    taken: I32
    bound: int


def fit(knapsack: Knapsack, layout: Layout, limit: int) -> Fitted:
    """The choice of most worth that takes at most `limit` physical bytes, nearly: see `bound`."""
    fitted = _within(knapsack, layout, limit)
    return Fitted(_with_gaps(knapsack, layout, fitted.taken), fitted.bound) if layout.gap else fitted


def _with_gaps(knapsack: Knapsack, layout: Layout, taken: I32) -> I32:
    """For each group the last of its options, and so the best, whose items all lie within the ranges."""
    menu = knapsack.menu
    brought = np.packbits(layout.covered(menu.reads_of(taken, layout.experts)), axis=1)
    missing = menu.masks & ~np.take(brought, np.take(menu.block, menu.group), axis=0)
    options = np.flatnonzero(~missing.any(axis=1))
    taken = taken.copy()
    taken[menu.group[options]] = options
    return taken


def _within(knapsack: Knapsack, layout: Layout, limit: int) -> Fitted:
    menu, experts = knapsack.menu, layout.experts
    choice = knapsack.best(limit)
    bound = choice.bound
    physical = layout.physical(menu.reads_of(choice.taken, experts))
    if physical <= limit:
        return Fitted(_refilled(knapsack, layout, choice.taken, choice.cost, limit - physical), bound)
    fits, room, best = 0, limit, knapsack.best(0)
    fails, cost = choice.cost, choice.cost
    for turn in range(ROUNDS):
        # In proportion at first, which is close where margins are small; by halves where gaps make it jump.
        guess = cost * limit // physical - limit // (2 * NEAR) if turn < ROUNDS // 2 else (fits + fails) // 2
        target = min(max(guess, fits), fails - 1)
        choice = knapsack.best(target)
        cost, physical = choice.cost, layout.physical(menu.reads_of(choice.taken, experts))
        if physical > limit:
            fails = cost
            continue
        fits, room, best = target + 1, limit - physical, choice
        if room <= limit // NEAR or fits >= fails or not physical:
            break
    return Fitted(_refilled(knapsack, layout, best.taken, best.cost, room), bound)


def _refilled(knapsack: Knapsack, layout: Layout, taken: I32, cost: int, room: int) -> I32:
    """Steps around the edge that still fit, in their order; only such as add reads and take none back."""
    menu, taken = knapsack.menu, taken.copy()
    edge = int(np.searchsorted(menu.spent, cost, "right"))
    near = slice(max(0, edge - REFILLS), edge + REFILLS)
    steps, before = menu.steps[near], menu.before[near]
    group = menu.group[steps]
    now = menu.masks[before] * (before >= 0)[:, None] if len(steps) else menu.masks[steps]
    added = np.bitwise_count(menu.masks[steps] & ~now).sum(axis=1)
    grows = ~(now & ~menu.masks[steps]).any(axis=1)
    most = layout.at_most(np.diff(menu.spent[near.start : near.stop + 1]), added)
    for at in np.flatnonzero(grows & (taken[group] == before) & (most <= room)).tolist():
        if most[at] <= room:
            taken[group[at]] = steps[at]
            room -= int(most[at])
    return taken
