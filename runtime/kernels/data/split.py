"""`split`: named parts of a data set, every row in exactly one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from fusec.runtime.kernel import Context, RunError
from fusec.runtime.kernels.data.keys import apportion, exact_share, permutation
from fusec.runtime.kernels.data.stream import RowTable, write_taken

REST = "train"
NO_REST = Fraction(1, 10**9)
"""Shares such as thirds are written rounded; what they leave below this is not a part."""


def run(inputs: Mapping[str, Any], slots: Mapping[str, Any], ctx: Context) -> None:
    """`inputs`: data. `slots`: `shares`, pairs of (part name, share); `train` takes what they leave.

    Writes `ctx.out/<part>/data.arrow`. Sizes are exact by largest remainder, membership is seeded
    (`ctx.seed`), rows keep their order.
    """
    assert ctx.seed is not None
    table = RowTable(inputs["data"])
    names, shares = _parts(slots["shares"])
    counts = apportion(len(table), shares)
    order = permutation("split", ctx.seed, len(table))
    parts = np.split(order, np.cumsum(counts)[:-1])
    for name, rows in zip(names, parts, strict=True):
        if len(rows) == 0:
            raise RunError(
                f"`split` leaves `{name}` without a row of {len(table)}",
                hint="give it a larger share, or split more rows",
            )
    for name, rows in zip(names, parts, strict=True):
        write_taken(table, np.sort(rows), ctx.out / name, ctx)


def _parts(named: Sequence[tuple[str, float]]) -> tuple[list[str], list[Fraction]]:
    names, shares = [name for name, _ in named], [exact_share(share) for _, share in named]
    rest = Fraction(1) - sum(shares)
    return (names, shares) if rest <= NO_REST else ([*names, REST], [*shares, rest])
