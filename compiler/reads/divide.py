"""Divides one read budget among several merges, so that a further byte would help each of them as much."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fusec.compiler.reads.ladder import BudgetTooSmall, Ladder


def divide(ladders: Sequence[Ladder], budget: int) -> list[int]:
    """Bytes for each merge, together at most `budget`; the last step that is cut short keeps its part.

    What a read gains counts as a share of its own merge's squared update: a merge of large changes does not
    starve one of small ones. BudgetTooSmall where the adapters' factors need more.
    """
    shares = np.array([ladder.fixed for ladder in ladders], np.int64)
    if budget < shares.sum():
        raise BudgetTooSmall(budget, int(shares.sum()))
    steps = [ladder.steps() for ladder in ladders]
    cost = np.concatenate([step_cost for step_cost, _ in steps])
    rate = np.concatenate([gain / step_cost for step_cost, gain in steps])
    merge = np.repeat(np.arange(len(ladders)), [len(step_cost) for step_cost, _ in steps])
    order = np.argsort(-rate, kind="stable")
    spent = np.cumsum(cost[order])
    room = budget - int(shares.sum())
    edge = int(np.searchsorted(spent, room, "right"))
    taken = order[:edge]
    shares += np.bincount(merge[taken], cost[taken], len(ladders)).astype(np.int64)
    if edge < len(order):
        shares[merge[order[edge]]] += budget - int(shares.sum())
    return [int(share) for share in shares]
