"""Which bytes a merge is about to read, told to its reader before it reads them."""

from __future__ import annotations

from collections.abc import Iterator

from fusec.runtime.kernels.merge.changes import Source, Stored
from fusec.runtime.kernels.merge.codec import STORED
from fusec.runtime.kernels.merge.match import Merge
from fusec.runtime.kernels.merge.reader import Range, Reader

STRETCH = 1 << 21
"""Elements that are announced at least, beyond what is read now."""


def announce(reader: Reader, job: Merge, start: int, stop: int, *, base: bool, more: bool) -> None:
    """Starts to fetch what a merge reads of its experts between two flat indices, and of a sure `base`."""
    ranges, of_base = _ranges(job, start, stop), [_bytes(job.base, start, stop)]
    if base:
        reader.announce([*ranges, *of_base], more=more)
    else:
        reader.announce(ranges, perhaps=of_base, more=more)


def _ranges(job: Merge, start: int, stop: int) -> Iterator[Range]:
    fetched = None if job.reads is None else job.reads.fetched
    for i, change in enumerate(job.experts):
        source = change.change if isinstance(change, Stored) else change
        if isinstance(source, Source):
            if job.reads is None or fetched is None:
                yield _bytes(source, start, stop)
            else:
                runs = job.reads.runs(start, stop, fetched[i])
                yield from (_bytes(source, begin, end) for begin, end, wanted in runs if wanted)


def _bytes(source: Source, start: int, stop: int) -> Range:
    size = STORED[source.tensor.dtype].itemsize
    return source, source.tensor.start + start * size, source.tensor.start + stop * size
