"""arcee_fusion: the important changes of one expert."""

from __future__ import annotations

from typing import ClassVar

from fusec.compiler.methods.merge import MergeMethod, Passes


class ArceeFusion(MergeMethod, name="arcee_fusion", family="merge"):
    """The changes of one expert that stand out in importance, and the base everywhere else.

    The importance of a change is its size times the divergence of its row's softmax from the base's; it
    stands out from the median plus 1.5 times the distance of the quartiles on, per tensor. Arcee Fusion of
    mergekit.

    Example:

    ```fuse
    model fused = merge { base: base, experts: [math], method: arcee_fusion }
    ```
    """

    weighted: ClassVar[bool] = False
    most: ClassVar[int | None] = 1

    def passes(self, experts: int) -> Passes:
        return Passes(base=3, experts=3)
