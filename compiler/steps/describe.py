"""describe: what a data set holds."""

from __future__ import annotations

from fusec.compiler.cost import Cost
from fusec.compiler.rowtypes import scan
from fusec.compiler.slots import Data
from fusec.compiler.step import Site, Step
from fusec.lang.types import ReportType, Type


class Describe(Step, verb="describe", kernel="describe", subject="data"):
    """Profile data: rows, bytes, and for each column its type, nulls, lengths and distinct values.

    Example:

    ```fuse
    report profile = describe { data: text }
    ```
    """

    data: Data

    loads = ("pyarrow",)

    def gives(self, site: Site) -> Type:
        return ReportType((), ("rows", "bytes"))

    def cost(self, result: Type) -> Cost:
        return scan(self.data, likely=0.0)
