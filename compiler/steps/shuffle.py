"""shuffle: the same rows in another order."""

from __future__ import annotations

from fusec.compiler.cost import Cost
from fusec.compiler.rowtypes import rows_of, same_columns, scan
from fusec.compiler.slots import Data
from fusec.compiler.step import Site, Step
from fusec.lang.types import Type


class Shuffle(Step, verb="shuffle", kernel="data.shuffle", subject="data"):
    """Put the rows in an order drawn from the seed.

    Example:

    ```fuse
    data shuffled = text |> shuffle { seed: 3 }
    ```
    """

    data: Data
    seed: int

    loads = ("pyarrow",)

    def gives(self, site: Site) -> Type:
        data = rows_of(self.data)
        return same_columns(self.data, rows=data.rows if data else None)

    def cost(self, result: Type) -> Cost:
        return scan(self.data)
