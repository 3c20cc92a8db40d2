"""`shuffle`: all rows in seeded order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fusec.runtime.kernel import Context
from fusec.runtime.kernels.data.keys import permutation
from fusec.runtime.kernels.data.stream import RowTable, write_taken


def run(inputs: Mapping[str, Any], slots: Mapping[str, Any], ctx: Context) -> None:
    """`inputs`: data. No slots; the seed is `ctx.seed`."""
    assert ctx.seed is not None
    table = RowTable(inputs["data"])
    write_taken(table, permutation("shuffle", ctx.seed, len(table)), ctx.out, ctx)
