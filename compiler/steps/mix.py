"""mix: one data set out of several, by shares."""

from __future__ import annotations

from fusec.compiler.cost import Cost, total
from fusec.compiler.rowtypes import rows_of, scan
from fusec.compiler.slots import Parts, Rows
from fusec.compiler.step import Site, Step
from fusec.lang.codes.fuse204_column_missing import ColumnMissing
from fusec.lang.codes.fuse209_empty_list import EmptyList
from fusec.lang.codes.fuse212_out_of_range import OutOfRange
from fusec.lang.types import DataType, Type, Unknown


class Mix(Step, verb="mix", kernel="data.mix", subject="parts"):
    """Draw rows from several parts by shares that add up to 100%, without repeating any.

    The result has the columns that all parts share; its order is drawn from the seed. Without `rows` it
    is as large as the shares allow; without shares the parts are joined whole.

    Example:

    ```fuse
    data blend = mix { parts: [text: 80%, pairs |> select { text: .prompt }: 20%], rows: 500 rows }
    ```
    """

    parts: Parts
    rows: Rows | None = None
    seed: int

    loads = ("pyarrow",)

    def gives(self, site: Site) -> Type:
        if not self.parts:
            site.report(EmptyList(at=site.at("parts"), slot="parts", verb="mix"))
            return Unknown()
        shares = [part.weight for part in self.parts if part.weight is not None]
        if shares and (len(shares) != len(self.parts) or abs(sum(shares) - 1) > 1e-6 or min(shares) <= 0):
            got = f"{sum(shares) * 100:.6g}%"
            site.report(
                OutOfRange(
                    at=site.at("parts"), what="the sum of the shares", got=got, allowed="shares of 100%"
                )
            )
        types = [rows_of(part.input) for part in self.parts]
        known = [data for data in types if data is not None]
        if len(known) < len(types):
            return Unknown()
        first, *others = known
        columns = tuple(c for c in first.columns if all(c in other.columns for other in others))
        if not columns:
            has = tuple(name for name, _ in first.columns)
            other = known[-1].columns[0][0] if known[-1].columns else ""
            site.report(
                ColumnMissing(
                    needs=site.name,
                    column=other,
                    at=site.at("parts", 0),
                    has=has,
                    why_needed="the parts of a mix share at least one column of one type",
                )
            )
            return Unknown()
        have = sum(data.rows for data in known) if all(data.rows >= 0 for data in known) else -1
        self._check_rows(site, known, have)
        size = sum(data.bytes for data in known) if all(data.bytes >= 0 for data in known) else -1
        if self.rows is not None and size > 0 and have > 0:
            size = int(size * min(1.0, self.rows / have))
        rows = self.rows if self.rows is not None else have if not shares else -1
        return DataType(columns, rows, size)

    def _check_rows(self, site: Site, parts: list[DataType], have: int) -> None:
        """Report more rows than the parts hold, as far as their sizes are known."""
        if self.rows is None:
            return
        most = [
            int(data.rows / part.weight)
            for part, data in zip(self.parts, parts, strict=True)
            if part.weight and data.rows >= 0
        ]
        limit = min(most) if most else have
        if 0 <= limit < self.rows:
            allowed = f"at most {limit} rows"
            site.report(OutOfRange(at=site.at("rows"), what="rows", got=str(self.rows), allowed=allowed))

    def cost(self, result: Type) -> Cost:
        return total(scan(part.input) for part in self.parts)
