"""Which bytes a merge is about to read, told to its reader before it reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fusec.runtime.kernels.merge.changes import Source, Stored
from fusec.runtime.kernels.merge.codec import STORED
from fusec.runtime.kernels.merge.match import Merge
from fusec.runtime.kernels.merge.reader import Range, Reader

STRETCH = 1 << 21
"""Elements that are announced at least, beyond what is read now."""


def announce(
    reader: Reader,
    job: Merge,
    start: int,
    stop: int,
    *,
    experts: Sequence[int],
    base: bool,
    more: bool,
    again: bool,
) -> None:
    """Starts to fetch what a merge reads of some experts between two flat indices, and of a sure `base`."""
    ranges, of_base = _ranges(job, start, stop, experts), [_bytes(job.base, start, stop)]
    if base:
        reader.announce([*ranges, *of_base], more=more, again=again)
    else:
        reader.announce(ranges, perhaps=of_base, more=more, again=again)


def _ranges(job: Merge, start: int, stop: int, experts: Sequence[int]) -> Iterator[Range]:
    fetched = None if job.reads is None else job.reads.fetched(tuple(experts))
    for place, change in enumerate(job.experts[i] for i in experts):
        source = change.change if isinstance(change, Stored) else change
        if isinstance(source, Source):
            if job.reads is None or fetched is None:
                yield _bytes(source, start, stop)
            else:
                runs = job.reads.runs(start, stop, fetched[place])
                yield from (_bytes(source, begin, end) for begin, end, wanted in runs if wanted)


def _bytes(source: Source, start: int, stop: int) -> Range:
    size = STORED[source.tensor.dtype].itemsize
    return source, source.tensor.start + start * size, source.tensor.start + stop * size
