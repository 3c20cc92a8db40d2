"""`sample`: a seeded choice of rows, exact in number, in their own order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fusec.runtime.kernel import Context, RunError
from fusec.runtime.kernels.data.keys import apportion, choose, exact_share
from fusec.runtime.kernels.data.stream import RowTable, write_taken


def run(inputs: Mapping[str, Any], slots: Mapping[str, Any], ctx: Context) -> None:
    """`inputs`: data. `slots`: `rows` (a count) or `share` (0 to 1). The seed is `ctx.seed`."""
    assert ctx.seed is not None
    table = RowTable(inputs["data"])
    count = slots.get("rows")
    if count is None:
        share = exact_share(slots["share"])
        count = apportion(len(table), [share, 1 - share])[0]
    if count > len(table):
        raise RunError(
            f"`sample` is to take {count} rows and there are {len(table)}",
            hint=f"ask for at most {len(table)} rows, or for a share",
        )
    write_taken(table, choose("sample", ctx.seed, len(table), count), ctx.out, ctx)
