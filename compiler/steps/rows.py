"""What the optimizer makes of row-local steps: one pass over rows. No spec can write it."""

from __future__ import annotations

from typing import Annotated, Any

from fusec.compiler.cost import Cost, Range
from fusec.compiler.rowtypes import rows_of, scan
from fusec.compiler.slots import Data, ListOf, Plain
from fusec.compiler.step import Site, Step
from fusec.lang.types import Type


class RowsPass(Step, verb="rows.pass", kernel="data.row_pass", subject="data"):
    """Several `filter`, `select` and `derive` steps in one pass over the rows.

    `steps` are those that were written, `names` what the spec calls their results. `sequence` says in which
    order they are done, `columns` which are read (all if none), `scan` whether they come from the files of a
    source and not from stored rows, and `sample` how many of the first rows say which filter goes first.
    """

    data: Data
    columns: tuple[str, ...] | None = None
    scan: bool = False
    sample: int = 0
    sequence: tuple[int, ...]
    names: tuple[str, ...]
    steps: Annotated[tuple[Any, ...], ListOf(Plain("str"))]

    loads = ("pyarrow",)

    def gives(self, site: Site) -> Type:
        raise AssertionError("the type of a pass is that of the last of its steps")

    def cost(self, result: Type) -> Cost:
        cost, data = scan(self.data, likely=0.7 if self.filters else 1.0), rows_of(self.data)
        if self.columns is None or data is None:
            return cost
        size, part = max(data.bytes, 0), len(self.columns) / max(len(data.columns), 1)
        return Cost(Range(0.0, size * part, size), cost.writes * part, flops=cost.flops, memory=cost.memory)

    @property
    def filters(self) -> bool:
        return any(step.name == "filter" for step in self.steps)
