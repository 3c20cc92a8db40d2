"""fisher: a mean in which each weight counts by how much an expert's answers depend on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from annotated_types import Gt

from fusec.compiler.data_merges import DataMerge
from fusec.compiler.slots import Weighted
from fusec.compiler.step import Site
from fusec.lang.codes.fuse212_out_of_range import OutOfRange
from fusec.lang.source import Span


class Fisher(DataMerge, name="fisher", family="merge"):
    """The mean of the experts, in which every single weight counts by its Fisher information.

    That is the mean over the examples of an expert's `data` of the squared gradient of their log-likelihood,
    plus `epsilon`; it is kept on the disk and not in memory. With `normalize` experts count alike as wholes,
    whatever the size of their gradients; numbers beside experts say otherwise. Fisher merging, arXiv
    2111.09832.

    Example:

    ```fuse
    model both = merge { base: base, experts: [math, code], method: fisher(data: [text, pairs]) }
    ```
    """

    work: ClassVar[float] = 6.0
    memory: ClassVar[float] = 12.0

    normalize: bool = True
    epsilon: Annotated[float, Gt(0)] = 1e-6

    def check(self, site: Site, experts: Sequence[Weighted], at: Span) -> None:
        super().check(site, experts, at)
        for index, expert in enumerate(experts):
            if expert.weight is not None and expert.weight <= 0:
                place, got = site.at("experts", index), str(expert.weight)
                site.report(OutOfRange(place, "a weight of `fisher`", got, "above 0"))
