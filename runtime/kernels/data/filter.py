"""`filter`: the rows for which `keep` is true, or `drop` is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from fusec.compiler.rowexpr import Expr, Op
from fusec.runtime.kernel import Context, RunError
from fusec.runtime.kernels.data.row_local import RowFunction, run_row_local
from fusec.runtime.kernels.data.rows import Rows, evaluate


def run(inputs: Mapping[str, Any], slots: Mapping[str, Expr | None], ctx: Context) -> None:
    """`inputs`: data. `slots`: `keep` or `drop`, a Bool expression; the other is None. Order stays."""
    keep, drop = slots.get("keep"), slots.get("drop")
    condition = Op("not", (drop,)) if keep is None else keep
    run_row_local(inputs["data"], keeping(condition), ctx)


def keeping(condition: Expr) -> RowFunction:
    """The function that leaves the rows for which `condition` is true."""

    def kept(rows: Rows) -> pa.RecordBatch:
        mask = evaluate(condition, rows)
        if mask.null_count:
            place = pc.index(pc.is_null(mask), True).as_py()
            raise RunError(f"row {rows.number(place)} has no value to decide on")
        return rows.batch.filter(mask)

    return kept
