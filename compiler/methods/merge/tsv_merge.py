"""tsv_merge: the leading directions of each expert, made orthogonal."""

from __future__ import annotations

from typing import ClassVar

from fusec.compiler.methods.merge import MergeMethod
from fusec.compiler.step import Grade


class TsvMerge(MergeMethod, name="tsv_merge", family="merge"):
    """The leading singular directions of each expert's change, made orthogonal to those of the others.

    Tensors other than matrices get the mean of the changes; all of it is multiplied by `scale`. A tensor of
    all models is held at a time, and its decomposition takes far longer than reading it. TSV-M, arXiv
    2412.00081.

    Example:

    ```fuse
    model both = merge { base: base, experts: [math, code], method: tsv_merge }
    ```
    """

    weighted: ClassVar[bool] = False
    of_changes: ClassVar[bool] = False
    grade: ClassVar[Grade] = "seeded"

    scale: float = 1.0
