"""Tells the system which bytes are about to be read, so that disks work while processors do.

The system's own reading ahead is off: it would fetch what nobody planned, and a budget counts what disks do.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from fusec.runtime.kernels.merge.changes import Source, Stored
from fusec.runtime.kernels.merge.codec import STORED
from fusec.runtime.kernels.merge.match import Merge

STRETCH = 1 << 21
"""Elements that are announced at once."""

_CAN_ANNOUNCE = hasattr(os, "posix_fadvise")


def open_for_ranges(path: Path) -> int:
    """A descriptor for reads that are announced."""
    fd = os.open(path, os.O_RDONLY)
    if _CAN_ANNOUNCE:
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
    return fd


def announce(fds: Mapping[Path, int], job: Merge, start: int, stop: int, *, base: bool) -> None:
    """Starts to fetch what a merge reads of its experts, and of the `base`, between two flat indices."""
    if not _CAN_ANNOUNCE:
        return
    for path, at, count in _ranges(job, start, stop, base):
        os.posix_fadvise(fds[path], at, count, os.POSIX_FADV_WILLNEED)


def _ranges(job: Merge, start: int, stop: int, base: bool) -> Iterator[tuple[Path, int, int]]:
    taken = None if job.reads is None else job.reads.taken
    for i, change in enumerate(job.experts):
        source = change.change if isinstance(change, Stored) else change
        if isinstance(source, Source):
            if job.reads is None or taken is None:
                yield _bytes(source, start, stop)
            else:
                runs = job.reads.runs(start, stop, taken[i])
                yield from (_bytes(source, begin, end) for begin, end, wanted in runs if wanted)
    if base:
        yield _bytes(job.base, start, stop)


def _bytes(source: Source, start: int, stop: int) -> tuple[Path, int, int]:
    size = STORED[source.tensor.dtype].itemsize
    return source.path, source.tensor.start + start * size, (stop - start) * size
