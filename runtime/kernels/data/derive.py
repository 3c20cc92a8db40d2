"""`derive`: all columns and the named ones; a name that exists is replaced where it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from fusec.compiler.rowexpr import Expr
from fusec.runtime.kernel import Context
from fusec.runtime.kernels.data.row_local import RowFunction, run_row_local
from fusec.runtime.kernels.data.rows import Rows, evaluate


def run(inputs: Mapping[str, Any], slots: Mapping[str, Any], ctx: Context) -> None:
    """`inputs`: data. `slots`: `columns`, pairs of (name, expression over the columns of the input)."""
    run_row_local(inputs["data"], deriving(slots["columns"]), ctx)


def deriving(derived: Sequence[tuple[str, Expr]]) -> RowFunction:
    """The function that adds these columns, or replaces those of the same name."""

    def extend(rows: Rows) -> pa.RecordBatch:
        columns = dict(zip(rows.batch.schema.names, rows.batch.columns, strict=True))
        columns |= {name: evaluate(expr, rows) for name, expr in derived}
        return pa.RecordBatch.from_pydict(columns)

    return extend
