"""derive: add or replace columns."""

from __future__ import annotations

from typing import Any

from fusec.compiler.cost import Cost
from fusec.compiler.rowtypes import need_slots, rows_of, scan, typed
from fusec.compiler.slots import Data, RowOf
from fusec.compiler.step import Site, Step
from fusec.lang.types import DataType, Type, Unknown


class Derive(Step, verb="derive", kernel="data.derive", subject="data"):
    """Add or replace columns and keep the others: one slot per column, `length: len(.text)`.

    Example:

    ```fuse
    data longer = text |> derive { length: len(.text), shout: upper(.text) }
    ```
    """

    data: Data
    columns: tuple[tuple[str, Any], ...]

    open_slots = "columns"
    open_want = RowOf()
    loads = ("pyarrow",)

    def gives(self, site: Site) -> Type:
        data = rows_of(self.data)
        if data is None:
            return Unknown()
        need_slots(site, "derive", self.columns)
        columns = dict(data.columns)
        columns.update((name, typed(expr, data.columns)) for name, expr in self.columns)
        return DataType(tuple(columns.items()), data.rows, data.bytes)

    def cost(self, result: Type) -> Cost:
        return scan(self.data)
