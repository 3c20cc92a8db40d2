"""`split`: named parts of a data set, every row in exactly one of them."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from fusec.runtime.kernel import Context, RunError
from fusec.runtime.kernels.data.keys import apportion, exact_share, permutation
from fusec.runtime.kernels.data.stream import RowTable, write_taken

REST = "train"


def run(inputs: Mapping[str, Any], slots: Mapping[str, float], ctx: Context) -> None:
    """`inputs`: data. `slots`: part name to share; `train` takes the rest and is no slot.

    Writes `ctx.out/<part>/data.arrow`. Sizes are exact by largest remainder, membership is seeded
    (`ctx.seed`), rows keep their order.
    """
    assert ctx.seed is not None
    table = RowTable(inputs["data"])
    shares = [exact_share(share) for share in slots.values()]
    counts = apportion(len(table), [*shares, Fraction(1) - sum(shares)])
    order = permutation("split", ctx.seed, len(table))
    parts = np.split(order, np.cumsum(counts)[:-1])
    for name, rows in zip([*slots, REST], parts, strict=True):
        if len(rows) == 0:
            raise RunError(
                f"`split` leaves `{name}` without a row of {len(table)}",
                hint="give it a larger share, or split more rows",
            )
    for name, rows in zip([*slots, REST], parts, strict=True):
        write_taken(table, np.sort(rows), ctx.out / name, ctx)
