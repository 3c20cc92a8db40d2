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

_NOTHING = np.zeros(BUCKETS, np.int64)


@dataclass(eq=False)
class Group:
    """A tensor of the base and the experts' counterparts, None where an expert stores nothing for it.

    The magnitudes of the changes are counted while ranges are measured, by any thread, until `forget`.
    """

    base: Source
    experts: Sequence[Source | Stored | None] = ()
    gram: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)
    _counts: dict[int, NDArray[np.int64]] = field(default_factory=dict, init=False, repr=False)

    def count(self, expert: int, counts: NDArray[np.int64]) -> None:
        """Adds how many elements of an expert's change have each magnitude: the first buckets."""
        with self._lock:
            if expert not in self._counts:
                self._counts[expert] = np.zeros(BUCKETS, np.int64)
            self._counts[expert][: len(counts)] += counts

    def histogram(self, expert: int) -> NDArray[np.int64]:
        """(BUCKETS,) of all that was counted."""
        return self._counts.get(expert, _NOTHING)

    def forget(self) -> None:
        """Starts counting afresh; until then no memory is held."""
        self._counts.clear()

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
