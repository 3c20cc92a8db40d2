"""`select`: the named columns, each from an expression over the row, and no others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from fusec.compiler.rowexpr import Expr
from fusec.runtime.kernel import Context
from fusec.runtime.kernels.data.row_local import run_row_local
from fusec.runtime.kernels.data.rows import Rows, evaluate


def run(inputs: Mapping[str, Any], slots: Mapping[str, Expr], ctx: Context) -> None:
    """`inputs`: data. `slots`: column name to expression, in the order of the result."""

    def project(rows: Rows) -> pa.RecordBatch:
        return pa.RecordBatch.from_pydict({name: evaluate(expr, rows) for name, expr in slots.items()})

    run_row_local(inputs["data"], project, ctx)
