"""sample: some of the rows, chosen by the seed."""

from __future__ import annotations

from fusec.compiler.cost import Cost
from fusec.compiler.rowtypes import rows_of, same_columns, scan
from fusec.compiler.slots import Data, Rows, Share
from fusec.compiler.step import Site, Step
from fusec.lang.codes.fuse104_missing import Missing
from fusec.lang.codes.fuse212_out_of_range import OutOfRange
from fusec.lang.types import Type


class Sample(Step, verb="sample", kernel="data.sample", subject="data"):
    """Choose `rows` rows, or a `share` of them, without replacement; the order of the input stays.

    Example:

    ```fuse
    data some = text |> sample { share: 10% }
    ```
    """

    data: Data
    rows: Rows | None = None
    share: Share | None = None
    seed: int

    loads = ("pyarrow",)

    def gives(self, site: Site) -> Type:
        data = rows_of(self.data)
        if self.rows is not None and self.share is not None:
            got, one = "both `rows` and `share`", "one of them"
            site.report(OutOfRange(at=site.at("share"), what="the size", got=got, allowed=one))
        elif self.rows is None and self.share is None:
            site.report(Missing(owner="sample", name="rows", at=site.at("rows"), wants="rows, or a share"))
        known = data.rows if data else -1
        if self.rows is not None and 0 <= known < self.rows:
            site.report(
                OutOfRange(
                    at=site.at("rows"), what="`rows`", got=str(self.rows), allowed=f"at most {known} rows"
                )
            )
        rows = self.rows
        if self.share is not None and known >= 0:
            rows = round(self.share * known)
        return same_columns(self.data, rows=rows, share=self._part(known))

    def _part(self, known: int) -> float:
        if self.share is not None:
            return self.share
        return min(1.0, (self.rows or 0) / known) if known > 0 else 1.0

    def cost(self, result: Type) -> Cost:
        data = rows_of(self.data)
        return scan(self.data, likely=self._part(data.rows if data else -1))
