"""multislerp: the weighted mean of the experts on a sphere."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from annotated_types import Gt

from fusec.compiler.methods.merge import Budget, MergeMethod, Passes


class Multislerp(MergeMethod, name="multislerp", family="merge"):
    """The weighted mean of what the experts changed, taken along the sphere of its directions.

    Its length is the weighted mean of theirs, where a plain mean is shorter. `of: weights` takes the experts'
    weights instead. Where the directions cancel, to a length below `eps`, two are added up as they are, and
    for more the base stays. Multi-SLERP of mergekit.

    Example:

    ```fuse
    model both = merge { base: base, experts: [math: 0.6, code: 0.4], method: multislerp }
    ```
    """

    budget: ClassVar[Budget] = "gram"
    by_range: ClassVar[bool] = True
    normalize: bool = True
    eps: Annotated[float, Gt(0)] = 1e-8
    of: Literal["deltas", "weights"] = "deltas"

    @property
    def of_changes(self) -> bool:
        return self.of == "deltas"

    @property
    def divides(self) -> bool:
        return self.normalize

    def passes(self, experts: int) -> Passes:
        return Passes(base=2, experts=2)
