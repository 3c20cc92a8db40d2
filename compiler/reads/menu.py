"""All groups of all tensors in one table, and the order in which a greedy choice takes their hulls' steps.

Tensors stand in the order of their names, whatever order they were handed over in, so that nothing that is
decided from here on depends on it. Worth is counted in integers: fractions of all there is to gain, so that
sums come out the same in whatever order and on however many threads they are taken.

A family of 405 billion parameters has 12 million items, so an array more or less is 100 MB: what follows
from another array is not kept, and single options share one zero.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusec.compiler.reads.columns import F64, I64, Flags
from fusec.compiler.reads.options import Masks, Options

WORTH_BITS = 50
"""All there is to gain is below 2^50: sums are exact in float64 too, and one part in 10^15 still counts."""

I32 = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Menu:
    """The G groups and O options of all tensors, as in `Options`, and the E hull steps in greedy order.

    block   (G,) int32    block of the group, counted through all tensors
    group   (O,) int32    group of the option
    worth   (O,) int64    what it gains over taking nothing of its group, in units of `unit`
    steps   (E,) int32    the option that a step moves its group to
    before  (E,) int32    the option that it moves from, -1 for none
    spent   (E + 1,) int64   cost of all earlier steps; `gained`: their worth
    """

    block: I32
    full: F64
    group: I32
    cost: I64
    left: F64
    worth: I64
    unit: float
    masks: Masks
    given: Masks
    steps: I32
    before: I32
    spent: I64
    gained: I64

    @property
    def single(self) -> bool:
        """Whether every group has one option only: items that are taken or not."""
        return len(self.group) == len(self.full)

    def groups_of(self, options: I32) -> I32:
        return options if self.single else np.take(self.group, options)

    def chosen(self, taken: I32) -> I32:
        """The options taken, ascending; `taken` (G,) is each group's option, -1 for none."""
        return taken[np.flatnonzero(taken >= 0)]

    def left_by(self, taken: I32) -> F64:
        """(G,) squared error that each group leaves."""
        left, options = self.full.copy(), self.chosen(taken)
        left[self.groups_of(options)] = np.take(self.left, options)
        return left

    def reads_of(self, taken: I32, experts: int) -> Flags:
        """(blocks, K) bool: the items of the options taken, without those that are given."""
        options = self.chosen(taken)
        block = np.take(self.block, self.groups_of(options))
        masks = np.zeros_like(self.given)
        if len(options):
            starts = np.append(0, np.flatnonzero(block[1:] != block[:-1]) + 1)
            union = np.bitwise_or.reduceat(np.take(self.masks, options, axis=0), starts, axis=0)
            masks[np.take(block, starts)] = union
        return np.unpackbits(masks, axis=1, count=experts).view(bool)


def menu_of(tables: list[Options]) -> Menu:
    """The menu of tensors in the order given. Empties the list: the tables are let go as they are joined."""
    parts: dict[str, list[Any]] = {
        field.name: [getattr(table, field.name) for table in tables] for field in fields(Options)
    }
    tables.clear()

    def joined(name: str) -> NDArray[Any]:
        return np.concatenate(parts.pop(name))

    before = np.cumsum([0, *(len(given) for given in parts["given"])])
    parts["block"] = [block + np.int32(at) for block, at in zip(parts["block"], before, strict=False)]
    block, full, cost, masks, given = (joined(name) for name in ("block", "full", "cost", "masks", "given"))
    if len(cost) == len(full):
        group = np.arange(len(full), dtype=np.int32)
        left, corners = np.broadcast_to(0.0, full.shape), group
        start = np.broadcast_to(np.int32(-1), full.shape)
        step_cost, step_gain = cost, full
        worth, unit = _in_units(full)
    else:
        group = np.repeat(np.arange(len(full), dtype=np.int32), joined("count"))
        left, corners = joined("left"), np.flatnonzero(joined("corner")).astype(np.int32)
        start = _steps_before(corners, group)
        gain = full[group] - left
        step_cost, step_gain = (_difference(column, corners, start) for column in (cost, gain))
        worth, unit = _in_units(gain)
    parts.clear()
    order = _greedy_order(step_gain, step_cost)
    steps = corners[order]
    # One zero that stands for millions, where it does, would come out of the indexing as millions.
    start = start if len(cost) == len(full) else start[order]
    return Menu(
        block=block,
        full=full,
        group=group,
        cost=cost,
        left=left,
        worth=worth,
        unit=unit,
        masks=masks,
        given=given,
        steps=steps,
        before=start,
        spent=sums_before(step_cost[order]),
        gained=sums_before(_difference(worth, steps, start)),
    )


def sums_before(column: I64) -> I64:
    """The sums of all that comes before each, and of all."""
    sums = np.zeros(len(column) + 1, np.int64)
    np.cumsum(column, out=sums[1:])
    return sums


def _in_units(gain: F64) -> tuple[I64, float]:
    """Gains in units of a power of two, rounded up. None is 0: what may change something is worth a read."""
    total = float(gain.sum())
    unit = float(np.ldexp(1.0, int(np.frexp(total)[1]) - WORTH_BITS)) if total > 0 else 1.0
    worth = gain / unit
    np.ceil(worth, out=worth)
    np.maximum(worth, 1.0, out=worth)
    return worth.astype(np.int64), unit


def _steps_before(steps: I32, group: I32) -> I32:
    before = np.full(len(steps), -1, np.int32)
    same = group[steps[1:]] == group[steps[:-1]]
    before[1:][same] = steps[:-1][same]
    return before


def _difference(column: NDArray[Any], steps: I32, before: I32) -> NDArray[Any]:
    difference = column[steps]
    follows = np.flatnonzero(before >= 0)
    difference[follows] -= column[before[follows]]
    return difference


def _greedy_order(gain: F64, cost: I64) -> NDArray[np.intp]:
    """By gain per byte, then by gain, then by tensor, block and expert, in which order they come in."""
    rate = gain / -cost
    order = np.argsort(rate)
    ranked = rate[order]
    tied: Flags = np.zeros(len(order), bool)
    same = ranked[1:] == ranked[:-1]
    tied[1:] |= same
    tied[:-1] |= same
    among = order[tied]
    order[tied] = among[np.lexsort((among, -gain[among], rate[among]))]
    return order
