"""ramplus_tl: `ram` with what one expert alone changed made larger."""

from __future__ import annotations

from typing import Annotated, ClassVar

from annotated_types import Ge, Gt

from fusec.compiler.methods.merge import MergeMethod, Passes


class RamPlusTl(MergeMethod, name="ramplus_tl", family="merge"):
    """`ram` in which changes of one expert alone grow, the more of its other changes are shared.

    They are multiplied by `1 + r * x`, x the number of shared changes for each own one, at most `alpha`; they
    are counted per tensor. RAM+, arXiv 2601.13572.

    Example:

    ```fuse
    model both = merge { base: base, experts: [math, code], method: ramplus_tl(r: 0.2) }
    ```
    """

    weighted: ClassVar[bool] = False
    by_range: ClassVar[bool] = True

    # Numbers of elements are divided by it where there are none.
    epsilon: Annotated[float, Gt(0)] = 1e-5
    r: float = 0.1
    alpha: Annotated[float, Ge(0)] = 0.2

    def passes(self, experts: int) -> Passes:
        return Passes(base=2, experts=2)
