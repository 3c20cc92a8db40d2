"""iso_c: the summed change with equal singular values."""

from __future__ import annotations

from typing import ClassVar

from fusec.compiler.methods.merge import MergeMethod
from fusec.compiler.step import Grade


class IsoC(MergeMethod, name="iso_c", family="merge"):
    """The sum of the changes, with all its singular values replaced by their mean.

    Tensors other than matrices get the mean of the changes; all of it is multiplied by `scale`. A tensor of
    all models is held at a time, and its decomposition takes far longer than reading it. ISO-C, arXiv
    2502.04959.

    Example:

    ```fuse
    model both = merge { base: base, experts: [math, code], method: iso_c }
    ```
    """

    weighted: ClassVar[bool] = False
    of_changes: ClassVar[bool] = False
    grade: ClassVar[Grade] = "seeded"

    scale: float = 1.0
