"""karcher: the mean of the experts on a sphere."""

from __future__ import annotations

from typing import Annotated, ClassVar

from annotated_types import Ge, Gt

from fusec.compiler.methods.merge import Budget, MergeMethod, Passes


class Karcher(MergeMethod, name="karcher", family="merge"):
    """The experts' mean direction on the sphere (their Karcher mean), at the mean of their lengths.

    The base is not part of it. The mean is found in at most `max_iter` steps, the last one shorter than
    `tol`; the weights are read twice, however many there are. Karcher 1977.

    Example:

    ```fuse
    model mean = merge { base: base, experts: [math, code], method: karcher }
    ```
    """

    budget: ClassVar[Budget] = "gram"
    weighted: ClassVar[bool] = False
    of_changes: ClassVar[bool] = False
    by_range: ClassVar[bool] = True

    max_iter: Annotated[int, Ge(1)] = 10
    tol: Annotated[float, Gt(0)] = 1e-5

    def passes(self, experts: int) -> Passes:
        # The inner products are of the base and the changes, so that near-parallel experts keep their angle.
        return Passes(base=2, experts=2)
