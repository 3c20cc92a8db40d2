"""iso_cts: shared directions and each expert's own, all of one size."""

from __future__ import annotations

from typing import Annotated, ClassVar

from annotated_types import Ge, Le

from fusec.compiler.methods.merge import MergeMethod
from fusec.compiler.step import Grade


class IsoCts(MergeMethod, name="iso_cts", family="merge"):
    """The directions that the changes share, and those of each expert beside them, all of one size.

    `common` is the share of directions that are taken from the sum of the changes. Tensors other than
    matrices get the mean of the changes; all of it is multiplied by `scale`. A tensor of all models is held
    at a time, and its decomposition takes far longer than reading it. ISO-CTS, arXiv 2502.04959.

    Example:

    ```fuse
    model both = merge { base: base, experts: [math, code], method: iso_cts }
    ```
    """

    weighted: ClassVar[bool] = False
    of_changes: ClassVar[bool] = False
    grade: ClassVar[Grade] = "seeded"

    common: Annotated[float, Ge(0), Le(1)] = 0.8
    scale: float = 1.0
