"""`describe`: what a data set holds, as `report.json`.

Per column: type, missing values, distinct values (exact up to 10000, then null), and the least, mean and
greatest value of numbers or length of text (characters) and lists (items).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fusec.lang.column_types import ColumnType
from fusec.runtime.kernel import Context
from fusec.runtime.kernels.data.stream import batches, data_bytes, open_rows
from fusec.runtime.sources.arrow_types import from_arrow

DISTINCT_CAP = 10_000


class Spread(msgspec.Struct, frozen=True):
    min: int | float
    mean: float
    max: int | float


class ColumnReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """`value` for numbers, `length` for text and lists, `true` (a count) for Bool."""

    type: str
    nulls: int
    distinct: int | None
    value: Spread | None = None
    length: Spread | None = None
    true: int | None = None


class DataReport(msgspec.Struct, frozen=True):
    rows: int
    bytes: int
    columns: dict[str, ColumnReport]


def run(inputs: Mapping[str, Any], slots: Mapping[str, Any], ctx: Context) -> None:
    """`inputs`: data. Writes `ctx.out/report.json`."""
    reader = open_rows(inputs["data"])
    tallies = {field.name: _Tally(field.type) for field in reader.schema}
    rows = 0
    for batch in batches(reader):
        rows += len(batch)
        for name, tally in tallies.items():
            tally.add(batch.column(name))
        ctx.emit("progress", done=rows, unit="rows")
    size = data_bytes(inputs["data"])
    report = DataReport(rows, size, {name: tally.report() for name, tally in tallies.items()})
    text = msgspec.json.format(msgspec.json.encode(report), indent=2)
    (ctx.out / "report.json").write_bytes(text + b"\n")
    ctx.meter.bytes_read += size
    ctx.meter.bytes_written += len(text) + 1


class _Tally:
    """Counts one column. Keeps 8 bytes per number, so that the mean is exact whatever the batches are."""

    def __init__(self, kind: pa.DataType) -> None:
        self.kind: ColumnType = from_arrow(kind)
        self.nulls = 0
        self.true = 0
        self.numbers: list[np.ndarray] = []
        self.seen: set[Any] | None = set() if self.kind.name in ("Str", "Int", "Float", "Bool") else None

    def add(self, values: pa.Array) -> None:
        self.nulls += values.null_count
        present = values.drop_null()
        if self.seen is not None:
            self.seen.update(pc.unique(present).to_pylist())
            if len(self.seen) > DISTINCT_CAP:
                self.seen = None
        match self.kind.name:
            case "Str":
                self.numbers.append(pc.utf8_length(present).to_numpy())
            case "List":
                self.numbers.append(pc.list_value_length(present).to_numpy())
            case "Int" | "Float":
                self.numbers.append(present.to_numpy())
            case "Bool":
                self.true += pc.sum(present, min_count=0).as_py()

    def report(self) -> ColumnReport:
        return ColumnReport(
            type=str(self.kind),
            nulls=self.nulls,
            distinct=None if self.seen is None else len(self.seen),
            value=self._spread() if self.kind.name in ("Int", "Float") else None,
            length=self._spread() if self.kind.name in ("Str", "List") else None,
            true=self.true if self.kind.name == "Bool" else None,
        )

    def _spread(self) -> Spread | None:
        numbers = np.concatenate(self.numbers) if self.numbers else np.empty(0)
        if not len(numbers):
            return None
        total = math.fsum(numbers) if self.kind.name == "Float" else sum(numbers.tolist())
        return Spread(numbers.min().item(), total / len(numbers), numbers.max().item())
