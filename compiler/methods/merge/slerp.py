"""slerp: from the base to one expert along the arc between them."""

from __future__ import annotations

from typing import Annotated, ClassVar

from annotated_types import Ge, Le

from fusec.compiler.methods.merge import Budget, MergeMethod, Passes


class Slerp(MergeMethod, name="slerp", family="merge"):
    """The point `t` of the way from the base to its one expert, along the arc between them.

    One angle for each tensor; where it is below 1.8 degrees, as between fine-tunes of one base, the arc is
    taken for the straight line. Spherical linear interpolation, Shoemake 1985.

    Example:

    ```fuse
    model between = merge { base: base, experts: [math], method: slerp(t: 0.4) }
    ```
    """

    budget: ClassVar[Budget] = "gram"
    weighted: ClassVar[bool] = False
    of_changes: ClassVar[bool] = False
    by_range: ClassVar[bool] = True
    most: ClassVar[int | None] = 1

    t: Annotated[float, Ge(0), Le(1)]

    def passes(self, experts: int) -> Passes:
        return Passes(base=2, experts=2)
