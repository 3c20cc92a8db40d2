"""The work of `rewrite`, batch after batch."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from fusec.runtime.kernel import Context, Method
from fusec.runtime.kernels.data.row_local import run_row_local
from fusec.runtime.kernels.data.rows import Rows


def run(inputs: Mapping[str, Any], slots: Mapping[str, Any], ctx: Context) -> None:
    """`inputs`: data. `slots`: `column`, `into`, `voice`. A text that is missing stays missing."""

    def rewritten(rows: Rows) -> pa.RecordBatch:
        columns = dict(zip(rows.batch.schema.names, rows.batch.columns, strict=True))
        columns[slots["into"]] = said(columns[slots["column"]], slots["voice"])
        return pa.RecordBatch.from_pydict(columns)

    run_row_local(inputs["data"], rewritten, ctx)


def said(texts: pa.Array, voice: Method) -> pa.Array:
    if voice.name == "whispered":
        return pc.utf8_lower(texts)
    loud = pc.utf8_upper(texts)
    marks, between = pa.scalar("!" * voice["marks"], loud.type), pa.scalar("", loud.type)
    return pc.binary_join_element_wise(loud, marks, between)
