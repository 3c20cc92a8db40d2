"""What is measured together: a tensor of a base and what experts have in its place."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fusec.runtime.analysis.inner import LEAF
from fusec.runtime.analysis.measure import BUCKETS
from fusec.runtime.kernels.merge.changes import Source, Stored
from fusec.runtime.kernels.merge.codec import STORED


@dataclass(eq=False)
class Group:
    """A tensor of the base and the experts' counterparts, None where an expert stores nothing for it.

    `histograms` (K, BUCKETS) fills while ranges are measured, under `lock`.
    """

    base: Source
    experts: Sequence[Source | Stored | None] = ()
    gram: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)
    histograms: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.histograms = np.zeros((len(self.experts) if self.floating else 0, BUCKETS), np.int64)

    @property
    def floating(self) -> bool:
        return self.base.tensor.dtype in STORED

    @property
    def elements(self) -> int:
        return self.base.tensor.elements

    @property
    def bytes(self) -> int:
        return sum(source.tensor.bytes for source in self.sources() if source)

    def sources(self) -> list[Source | None]:
        """The base's tensor and those of the experts: what is read."""
        return [self.base, *(e.change if isinstance(e, Stored) else e for e in self.experts)]


def ranges(elements: int, block: int) -> Iterator[tuple[int, int]]:
    """What is measured at a time: whole blocks and whole leaves. A tensor without elements is one range."""
    step = span(block)
    return ((at, min(at + step, elements)) for at in range(0, max(1, elements), step))


def span(block: int) -> int:
    """Elements at whose multiples a range starts."""
    return max(block, LEAF)
