"""`select`: the named columns, each from an expression over the row, and no others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from fusec.compiler.rowexpr import Expr
from fusec.runtime.kernel import Context
from fusec.runtime.kernels.data.row_local import RowFunction, run_row_local
from fusec.runtime.kernels.data.rows import Rows, evaluate


def run(inputs: Mapping[str, Any], slots: Mapping[str, Any], ctx: Context) -> None:
    """`inputs`: data. `slots`: `columns`, pairs of (name, expression) in the order of the result."""
    run_row_local(inputs["data"], selecting(slots["columns"]), ctx)


def selecting(columns: Sequence[tuple[str, Expr]]) -> RowFunction:
    """The function that makes these columns and no others."""

    def project(rows: Rows) -> pa.RecordBatch:
        return pa.RecordBatch.from_pydict({name: evaluate(expr, rows) for name, expr in columns})

    return project
