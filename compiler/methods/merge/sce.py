"""sce: select where experts differ most, weigh them by it, erase minorities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from annotated_types import Gt, Le

from fusec.compiler.methods.merge import MergeMethod, Misfit, Passes


class Sce(MergeMethod, name="sce", family="merge"):
    """Select where experts differ most, weigh experts by what they changed there, erase minorities.

    `select_topk` is the share of entries kept per tensor, of those where the experts differ at all. Experts
    weigh as their mean square there, and of each entry only changes with the sign of their sum count. SCE of
    FuseChat, arXiv 2408.07990.

    Example:

    ```fuse
    model both = merge { base: base, experts: [math, code], method: sce(select_topk: 0.1) }
    ```
    """

    weighted: ClassVar[bool] = False

    select_topk: Annotated[float, Gt(0), Le(1)] = 1.0

    def misfits(self, experts: int) -> Iterator[Misfit]:
        yield from super().misfits(experts)
        if experts == 1 and self.select_topk < 1:
            got = f"{self.select_topk:g} with one expert"
            yield Misfit("`select_topk`", got, "1, or a second expert: one alone differs from nobody")

    @property
    def by_range(self) -> bool:
        return self.select_topk == 1

    def passes(self, experts: int) -> Passes:
        # Two find the cut and, with it, the shares of the experts.
        return Passes(2, 2) if self.select_topk == 1 else Passes(3, 3)
