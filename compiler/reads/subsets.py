"""The best sets of items to read at each cost, from the inner products of their changes.

Up to `ALL` items all subsets are weighed. Beyond, greedy paths give the candidates: some add the item that
removes the most error per byte until all are read, some start from all and drop what adds the least. Of each
kind one goes item by item and one also weighs pairs, as neither of two items that cancel is of use alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fusec.compiler.reads.columns import F64, I64, Flags
from fusec.compiler.reads.hull import corners, undominated

ALL = 12
WORKING_SET = 1 << 21
"""Subsets held at once, over all blocks of a piece: 16 MiB of errors."""

ROUNDING = 2.0**-46
"""Share of `(sum |a| |d|)^2` by which rounding may have made a squared error too small."""


@dataclass(frozen=True, eq=False)
class Sets:
    """For N blocks, L candidates each in ascending cost: the first reads nothing, the last everything.

    cost (N, L) int64 · left (N, L) float64 squared error · reads (N, L, m) bool · kept, hull (N, L) bool
    """

    cost: I64
    left: F64
    reads: Flags
    kept: Flags
    hull: Flags


def best_sets(products: F64, cost: I64) -> Sets:
    """`products` (N, m, m): `a_i a_j <d_i, d_j>` of each block's items. `cost` (m,): bytes of each item."""
    count = len(cost)
    piece = max(1, WORKING_SET >> min(count, ALL))
    search = _all_subsets if count <= ALL else _greedy_paths
    parts = [search(products[at : at + piece], cost) for at in range(0, len(products), piece)]
    costs, left, reads = (np.concatenate(column) for column in zip(*parts, strict=True))
    # Rounding may hide an error but cannot where nothing is left out.
    sizes = np.sqrt(np.maximum(np.diagonal(products, axis1=1, axis2=2), 0.0)).sum(axis=1)
    left = np.maximum(left, 0.0) + ROUNDING * (sizes**2)[:, None]
    left[:, -1] = 0.0
    kept = undominated(left)
    return Sets(costs, left, reads, kept, corners(costs, left, kept))


def _all_subsets(products: F64, cost: I64) -> tuple[I64, F64, Flags]:
    """The least error at each distinct cost; of equals the set with the lowest number."""
    blocks, count = len(products), len(cost)
    bits = (np.arange(1 << count)[:, None] >> np.arange(count)) & 1
    error = _omission_errors(products)
    spent = ((1 - bits) * cost).sum(axis=1)
    order = np.argsort(spent, kind="stable")
    levels, starts = np.unique(spent[order], return_index=True)
    left = np.empty((blocks, len(levels)))
    chosen = np.empty((blocks, len(levels)), np.int64)
    for level, omitted in enumerate(np.split(order, starts[1:])):
        errors = error[:, omitted]
        best = errors.argmin(axis=1)
        left[:, level] = errors[np.arange(blocks), best]
        chosen[:, level] = omitted[best]
    return np.tile(levels, (blocks, 1)), left, bits[chosen] == 0


def _omission_errors(products: F64) -> F64:
    """(N, 2^m): the squared norm of the sum of the items whose bit is set, by doubling from item to item."""
    blocks, count, _ = products.shape
    error = np.zeros((blocks, 1))
    for item in range(count):
        cross = np.zeros((blocks, 1))
        for other in range(item):
            cross = np.concatenate([cross, cross + products[:, item, other, None]], axis=1)
        error = np.concatenate([error, error + 2 * cross + products[:, item, item, None]], axis=1)
    return error


def _greedy_paths(products: F64, cost: I64) -> tuple[I64, F64, Flags]:
    blocks, count, _ = products.shape
    nothing = np.zeros((blocks, count), bool)
    steps = [
        step
        for add in (True, False)
        for pairs in (True, False)
        for step in _path(products, cost, add=add, pairs=pairs)
    ]
    reads = np.stack([nothing, *steps, ~nothing], axis=1)
    omitted = (~reads).astype(np.float64)
    # Item by item, as a library's product may round otherwise on another machine.
    pull = np.zeros(omitted.shape)
    for item in range(count):
        pull += products[:, None, :, item] * omitted[:, :, item, None]
    left = (omitted * pull).sum(axis=2)
    # A path that went in pairs has nothing left to do at its end.
    left[:, :-1][reads[:, :-1].all(axis=2)] = np.inf
    spent: I64 = (reads * cost).sum(axis=2)
    # Errors first, costs after: among equal costs the smallest error stands first. Everything stays last.
    order = np.argsort(left[:, :-1], axis=1, kind="stable")
    order = np.take_along_axis(
        order, np.argsort(np.take_along_axis(spent, order, 1), axis=1, kind="stable"), 1
    )
    order = np.concatenate([order, np.full((blocks, 1), len(steps) + 1)], axis=1)
    nothing_first = np.argsort(order != 0, axis=1, kind="stable")
    order = np.take_along_axis(order, nothing_first, 1)
    return (
        np.take_along_axis(spent, order, 1),
        np.take_along_axis(left, order, 1),
        np.take_along_axis(reads, order[:, :, None], 1),
    )


def _path(products: F64, cost: I64, *, add: bool, pairs: bool) -> Iterator[Flags]:
    """What is read after each step but the last, from nothing up (`add`) or from everything down.

    A step takes the item, or with `pairs` the two, that does best per byte: (i, i) is an item alone.
    """
    blocks, count, _ = products.shape
    every, alone = np.arange(blocks), np.eye(count, dtype=bool)
    own = np.diagonal(products, axis1=1, axis2=2)
    own = np.where(alone, own[:, None], own[:, None] + own[:, :, None] + 2 * products)
    price = np.where(alone, cost, cost + cost[:, None])
    reads = np.full((blocks, count), not add)
    pull = products.sum(axis=2) if add else np.zeros((blocks, count))
    for _ in range(count - 1):
        # What the squared error falls by when they are read, or rises by when they are left out.
        both = np.where(alone, pull[:, None], pull[:, None] + pull[:, :, None])
        change = 2 * both - own if add else -2 * both - own
        gone = reads == add
        barred = gone[:, None] | gone[:, :, None] | (~alone & (not pairs))
        rate = np.where(barred, -np.inf, change / price).reshape(blocks, -1)
        one, other = np.divmod(rate.argmax(axis=1), count)
        moves = np.where(gone.all(axis=1), 0.0, -1.0 if add else 1.0)
        pull = pull + moves[:, None] * products[every, :, one]
        pull = pull + (moves * (one != other))[:, None] * products[every, :, other]
        reads[every, one] = reads[every, other] = add
        yield reads.copy()
