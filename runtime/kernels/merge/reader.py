"""How workers reach the bytes of models: by position, announced before, whether they are here or elsewhere.

What is about to be read is under way in spans while processors work, from a disk as from another machine.
The system's own reading ahead is off: it would fetch what nobody planned, and a budget counts what disks do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fusec.runtime.hf_folder import ModelWriter
from fusec.runtime.kernels.merge.changes import Source
from fusec.runtime.positioned import byte_view
from fusec.runtime.ranges import ahead, open_file
from fusec.runtime.ranges.ahead import Ahead, Extent, Spaces
from fusec.runtime.ranges.file import RangeFile
from fusec.runtime.ranges.http import CONNECTIONS
from fusec.runtime.ranges.local import LocalFile, allow_open
from fusec.runtime.ranges.page_cache import PAGE

HELD = 128 << 20
"""Bytes of remote spans that all workers hold together, unless spans would be too short to be useful."""

HELD_OF_DISKS = 32 << 20
"""The same for spans of files on this machine."""

_DISK_SPAN = 2 << 20
_SPANS = 2  # of each file and worker: the one in hand, and the one that comes

Range = tuple[Source, int, int]
"""Bytes of the file of a source, from the first number to before the second."""


class Files:
    """The open files of a merge, shared by its workers."""

    def __init__(self, paths: Iterable[Path], workers: int, stack: ExitStack) -> None:
        paths = sorted(paths)
        allow_open(len(paths))
        self.by_path: Mapping[Path, RangeFile] = {
            path: stack.enter_context(open_file(path, exact=True)) for path in paths
        }
        self.remote = [path for path, file in self.by_path.items() if not isinstance(file, LocalFile)]
        self._pool: Executor = ThreadPoolExecutor(CONNECTIONS, "ranges")
        stack.callback(self._pool.shutdown, wait=False, cancel_futures=True)
        disks = [path for path, file in self.by_path.items() if isinstance(file, LocalFile)]
        self._spans = (
            (disks, _span(disks, HELD_OF_DISKS // (_SPANS * workers), _DISK_SPAN), PAGE),
            (self.remote, _span(self.remote, HELD // (_SPANS * workers), ahead.SPAN), 1),
        )

    def ahead(self) -> Mapping[Path, Ahead]:
        """Readings ahead for one worker."""
        found: dict[Path, Ahead] = {}
        for paths, span, page in self._spans:
            spaces = Spaces(span)
            found |= {path: Ahead(self.by_path[path], self._pool, spaces, page=page) for path in paths}
        return found

    def require_unchanged(self) -> None:
        """Raises `Changed` when a remote file was replaced while it was read."""
        for path in self.remote:
            self.by_path[path].require_unchanged()


def _span(paths: Sequence[Path], held: int, most: int) -> int:
    """Bytes of a span, where one worker may hold so many; of a model, one file at a time is in use."""
    models = len({path.parent for path in paths})
    span = max(ahead.SMALLEST_SPAN, min(held // max(1, models), most))
    return span - span % PAGE


class Reader:
    """What one worker reads with. Reads return the bytes that came for them, which may be those of a whole
    span, or none of a span that is there already."""

    def __init__(self, files: Files) -> None:
        self._files, self._ahead = files.by_path, files.ahead()

    def look(self, source: Source, offset: int, space: NDArray) -> tuple[NDArray, int]:
        """The bytes at `offset` of the file of a source as an array like `space`, and how many came.

        They are in `space`, or where they lie until the next read of this file: only to be looked at.
        """
        found, came = self._ahead[source.path].look(offset, space.nbytes)
        if found is not None:
            return np.frombuffer(found.toreadonly(), space.dtype), came
        return space, self.read(source, offset, space)

    def read(self, source: Source, offset: int, out: NDArray) -> int:
        """Fills a contiguous array with the bytes at `offset` of the file of a source."""
        return self._ahead[source.path].read_into(byte_view(out), offset, f"tensor `{source.tensor.name}`")

    def announce(
        self,
        ranges: Iterable[Range],
        perhaps: Iterable[Range] = (),
        *,
        more: bool = False,
        again: bool = False,
    ) -> None:
        """What this worker reads next of these files, in place of what it announced of them before.

        Of what it reads `perhaps`, nothing is fetched before it reads the first of it. What is here already
        is fetched again, unless it goes on from there with `more`. What is read `again` by a later pass may
        stay in the cache of the system.
        """
        extents: dict[Path, list[Extent]] = {}
        what: dict[Path, str] = {}
        sure = set()
        for source, start, stop in ranges:
            extents.setdefault(source.path, []).append((start, stop))
            what.setdefault(source.path, f"tensor `{source.tensor.name}`")
            sure.add(source.path)
        for source, start, stop in perhaps:
            extents.setdefault(source.path, []).append((start, stop))
            what.setdefault(source.path, f"tensor `{source.tensor.name}`")
        for path, wanted in extents.items():
            if not more:
                self._ahead[path].forget()
            self._ahead[path].announce(_joined(wanted), what[path], at_once=path in sure, again=again)

    def copy(
        self, source: Source, start: int, count: int, writer: ModelWriter, name: str, offset: int
    ) -> int:
        """Copies bytes of a file to `offset` of the tensor `name` of the result; returns those that came."""
        file = self._files[source.path]
        if isinstance(file, LocalFile):
            for at in range(0, count, ahead.SPAN):
                file.announce(start + at, min(2 * ahead.SPAN, count - at))
                size = min(ahead.SPAN, count - at)
                writer.copy(name, file.fd, start + at, size, file.name, offset=offset + at)
            return count
        self.announce([(source, start, start + count)])
        came = 0
        for at in range(0, count, ahead.SPAN):
            piece = np.empty(min(ahead.SPAN, count - at), np.uint8)
            came += self.read(source, start + at, piece)
            writer.write(name, offset + at, piece)
        return came

    def forget(self) -> None:
        """Lets go of what was announced: the unit of work is done."""
        for one in self._ahead.values():
            one.forget()

    def unused(self) -> Iterable[tuple[Path, int]]:
        """Bytes that came of each file and were asked for by no read."""
        return [(path, one.unused()) for path, one in self._ahead.items()]


def _joined(extents: list[Extent]) -> list[Extent]:
    """Extents in order, those that overlap as one."""
    joined: list[Extent] = []
    for start, stop in sorted(extents):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], stop))
        else:
            joined.append((start, stop))
    return joined
