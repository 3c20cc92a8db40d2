"""select: keep or make exactly the named columns."""

from __future__ import annotations

from typing import Any

from fusec.compiler.cost import Cost
from fusec.compiler.rowtypes import need_slots, rows_of, scan, typed
from fusec.compiler.slots import Data, RowOf
from fusec.compiler.step import Site, Step
from fusec.lang.types import DataType, Type, Unknown


class Select(Step, verb="select", kernel="data.select", subject="data"):
    r"""Keep or make exactly the named columns: one slot per column, `prompt: .question`.

    Example:

    ```fuse
    data questions = pairs |> select { text: "Q: {.prompt}\nA: {.response}" }
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
        need_slots(site, "select", self.columns)
        made = tuple((name, typed(expr, data.columns)) for name, expr in self.columns)
        return DataType(made, data.rows, data.bytes)

    def cost(self, result: Type) -> Cost:
        return scan(self.data)
