"""One reading of base and experts for all who work on them: several merges, and an analysis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fusec.runtime.kernels.merge.changes import Change, Source, Stored
from fusec.runtime.kernels.merge.codec import F32, STORED
from fusec.runtime.kernels.merge.match import Merge
from fusec.runtime.kernels.merge.memory import Memory
from fusec.runtime.kernels.merge.reader import Reader

if TYPE_CHECKING:
    # An analysis reads the way a merge does, and so needs this package.
    from fusec.runtime.analysis.while_reading import Recorder, WhileReading

Fetch = Callable[[NDArray, F32], tuple[NDArray, int]]
"""Decodes stored numbers into the second array; gives them, in the first one or where they lie, and the bytes
that came."""


@dataclass(frozen=True)
class Tap:
    """An analysis that goes along, and the places of its experts among those of the merge."""

    reading: WhileReading
    experts: tuple[int, ...]


class Scan:
    """The tile of a tensor at which one thread is, as far as somebody asked for it.

    Outside of `tile` everybody reads for themselves, as the passes that prepare a tensor do. With a `tap`,
    all that is stored of a tile is measured behind it, and what no merge asked for is read for that.
    """

    def __init__(self, reader: Reader, memory: Memory, tap: Tap | None) -> None:
        self.reader, self.memory, self.tap = reader, memory, tap
        self.open = False
        self.extra_bytes = 0
        """Read for the tap alone."""
        self._at, self._size = -1, 0
        self._announced: int | None = None
        self._held: dict[tuple[str, int], tuple[NDArray, F32]] = {}
        self._recorder: Recorder | None = None
        self._sources: list[Source | None] = []

    @contextmanager
    def unit(self, job: Merge, start: int, stop: int, tapped: bool) -> Iterator[None]:
        """Everything that is done between two flat indices; the tap sees it if `tapped`."""
        self._at, self._announced = -1, start
        if self.tap is not None and tapped:
            self._recorder = self.tap.reading.recorder(job.base.tensor.name, start, stop)
            self._sources = [job.base, *(_stored(job.experts[place]) for place in self.tap.experts)]
        try:
            yield
            self._leave()
        finally:
            self._recorder, self._announced = None, None
            self._held.clear()

    @contextmanager
    def tile(self, start: int, size: int) -> Iterator[None]:
        """Within, reads of this tile are shared."""
        if start != self._at:
            self._leave()
            self._at, self._size = start, size
        self.open = True
        try:
            yield
        finally:
            self.open = False

    def look(self, source: Source, fetch: Fetch) -> tuple[F32, int]:
        """This tile of a source, and the bytes that came for it: the first one who asks has it fetched."""
        key, came = (str(source.path), source.tensor.start), 0
        if key not in self._held:
            space, floats = self._space(source)
            raw, came = fetch(space, floats)
            self._held[key] = raw, floats
        return self._held[key][1], came

    def is_news(self, stop: int) -> bool:
        """Whether nobody has announced the reads of a unit up to there, which from now on somebody has."""
        if self._announced is None:
            return True
        news, self._announced = stop > self._announced, max(stop, self._announced)
        return news

    def _space(self, source: Source) -> tuple[NDArray, F32]:
        number, dtype = len(self._held), source.tensor.dtype
        floats = self.memory.floats(self._size, -1 - number)
        if dtype == "F32":
            return floats, floats
        return self.memory.raw(self._size, STORED[dtype], number if self.tap else -1), floats

    def _leave(self) -> None:
        """Lets go of the tile, measured."""
        if self._recorder is not None and self._at >= 0:
            self._recorder.add(self._at, [None if s is None else self._raw(s) for s in self._sources])
        self._held.clear()

    def _raw(self, source: Source) -> NDArray[np.uint8]:
        held = self._held.get((str(source.path), source.tensor.start))
        if held is None:
            raw, floats = self._space(source)
            offset = source.tensor.start + self._at * raw.itemsize
            self.extra_bytes += self.reader.read(source, offset, raw)
            held = self._held[str(source.path), source.tensor.start] = raw, floats
        return held[0].view(np.uint8)


def buffers_of(job: Merge, tapped: bool) -> int:
    """What a scan counts beside the buffers of an operator when tiles are cut.

    Half of its own: it is only looked at, and the cost of smaller tiles is larger than that of a full cache.
    """
    count = 1 + len(job.experts)
    return count if tapped else (1 + count) // 2


def _stored(change: Change) -> Source | None:
    """What of a change is stored element by element."""
    match change:
        case Source():
            return change
        case Stored(source):
            return source
        case _:
            return None
