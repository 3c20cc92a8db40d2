"""nuslerp: from one expert to another along the arc between them."""

from __future__ import annotations

from typing import ClassVar, Literal

from fusec.compiler.methods.merge import Budget, MergeMethod, Passes


class Nuslerp(MergeMethod, name="nuslerp", family="merge"):
    """The point on the arc between two experts where their weights put it: halfway for equal ones.

    The arc joins what the experts changed, and the result is added to the base; `of: weights` joins the
    experts' weights instead. With `flatten` there is one angle for each tensor, without it one for each row,
    or, with `row_wise`, for each column (the name is mergekit's). NuSLERP of mergekit.

    Example:

    ```fuse
    model between = merge { base: base, experts: [math: 0.7, code: 0.3], method: nuslerp }
    ```
    """

    least: ClassVar[int] = 2
    most: ClassVar[int | None] = 2

    flatten: bool = True
    row_wise: bool = False
    of: Literal["deltas", "weights"] = "deltas"

    @property
    def budget(self) -> Budget:
        # Products of rows and columns are in no catalog.
        return "gram" if self.flatten else "none"

    @property
    def of_changes(self) -> bool:
        return self.of == "deltas"

    @property
    def divides(self) -> bool:
        return True

    @property
    def by_range(self) -> bool:
        return self.flatten or self.row_wise

    def passes(self, experts: int) -> Passes:
        by_row = not self.flatten and not self.row_wise
        return Passes(1, 1) if by_row else Passes(base=2, experts=2)
