"""filter: keep the rows that match."""

from __future__ import annotations

from fusec.compiler.cost import Cost
from fusec.compiler.rowtypes import same_columns, scan
from fusec.compiler.slots import BoolRow, Data
from fusec.compiler.step import Site, Step
from fusec.lang.codes.fuse104_missing import Missing
from fusec.lang.codes.fuse212_out_of_range import OutOfRange
from fusec.lang.types import Type


class Filter(Step, verb="filter", kernel="data.filter", subject="data"):
    """Keep the rows where `keep` is true, or drop those where `drop` is; one of the two.

    Example:

    ```fuse
    data short = text |> filter { keep: len(.text) in 10..2_000 }
    ```
    """

    data: Data
    keep: BoolRow | None = None
    drop: BoolRow | None = None

    loads = ("pyarrow",)

    def gives(self, site: Site) -> Type:
        if self.keep is not None and self.drop is not None:
            got, one = "both `keep` and `drop`", "one of them"
            site.report(OutOfRange(at=site.at("drop"), what="a filter", got=got, allowed=one))
        elif self.keep is None and self.drop is None:
            site.report(Missing(owner="filter", name="keep", at=site.at("keep"), wants="Bool of a row"))
        return same_columns(self.data)

    def cost(self, result: Type) -> Cost:
        return scan(self.data, likely=0.7)
