"""rewrite: one text column, said in another voice."""

from typing import Annotated

from acme_fuse_steps.methods import Shouty
from fusec.compiler.cost import Cost
from fusec.compiler.rowtypes import rows_of, scan
from fusec.compiler.slots import ColumnPath, Data, MethodOf
from fusec.compiler.step import Method, Site, Step
from fusec.lang.codes.fuse204_column_missing import ColumnMissing
from fusec.lang.column_types import parse_column_type
from fusec.lang.types import DataType, Type, Unknown


class Rewrite(Step, verb="rewrite", revision=1, kernel="acme_fuse_steps.kernels.rewrite", subject="data"):
    """Say a text column in another voice, as a column of its own beside the others."""

    data: Data
    column: ColumnPath
    into: str
    voice: Annotated[Method, MethodOf("voice")] = Shouty()

    def gives(self, site: Site) -> Type:
        data = rows_of(self.data)
        if data is None:
            return Unknown()
        columns = dict(data.columns)
        if self.column not in columns:
            site.report(
                ColumnMissing(needs="rewrite", column=self.column, at=site.at("column"), has=tuple(columns))
            )
            return Unknown()
        columns[self.into] = parse_column_type("Str")
        return DataType(tuple(columns.items()), data.rows, -1)

    def cost(self, result: Type) -> Cost:
        return scan(self.data)
