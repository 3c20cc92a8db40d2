"""regmean: linear layers that answer to each expert's inputs as that expert does."""

from __future__ import annotations

from typing import Annotated, ClassVar

from annotated_types import Ge, Le

from fusec.compiler.data_merges import DataMerge


class RegMean(DataMerge, name="regmean", family="merge"):
    """Linear layers by least squares: on the inputs that each expert's layer sees, they give what it gives.

    Each expert reads its own `data`; what enters its linear layers is kept as inner products, those between
    different inputs times `alpha`, on the disk and not in memory. Every linear weight is then solved for at
    once. All other tensors, and experts of a mixture, get the plain mean. A tensor of one model is held at a
    time, with a square matrix of its inputs. RegMean, arXiv 2212.09849.

    Example:

    ```fuse
    model both = merge {
      base: base
      experts: [math, code]
      method: regmean(data: [text, pairs], alpha: 0.9)
    }
    ```
    """

    weighted: ClassVar[bool] = False
    work: ClassVar[float] = 8.0
    memory: ClassVar[float] = 5.0

    alpha: Annotated[float, Ge(0), Le(1)] = 0.9
