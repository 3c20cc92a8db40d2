"""How workers reach the bytes of models: by position, announced before, whether they are here or elsewhere.

Of a file on this machine the system is told what is about to be read, so that disks work while processors do;
its own reading ahead is off, as it would fetch what nobody planned and a budget counts what disks do. Of a
file on another machine the same announcement starts requests, so that the network does.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fusec.runtime.hf_folder import ModelWriter
from fusec.runtime.kernels.merge.changes import Source
from fusec.runtime.positioned import byte_view
from fusec.runtime.ranges import ahead, open_file
from fusec.runtime.ranges.ahead import Ahead, Extent
from fusec.runtime.ranges.file import RangeFile
from fusec.runtime.ranges.http import CONNECTIONS
from fusec.runtime.ranges.local import LocalFile

HELD = 128 << 20
"""Bytes of remote spans that all workers hold together, unless spans would be too short to be useful."""

Range = tuple[Source, int, int]
"""Bytes of the file of a source, from the first number to before the second."""

_CAN_ANNOUNCE = hasattr(os, "posix_fadvise")


class Files:
    """The open files of a merge, shared by its workers."""

    def __init__(self, paths: Iterable[Path], workers: int, stack: ExitStack) -> None:
        self.by_path: Mapping[Path, RangeFile] = {
            path: stack.enter_context(open_file(path, exact=True)) for path in sorted(paths)
        }
        self.remote = [path for path, file in self.by_path.items() if not isinstance(file, LocalFile)]
        self.pool: Executor = ThreadPoolExecutor(CONNECTIONS, "ranges")
        stack.callback(self.pool.shutdown, wait=False, cancel_futures=True)
        models = len({path.parent for path in self.remote})
        fair = HELD // (2 * workers * max(1, models))
        self.span = max(ahead.SMALLEST_SPAN, min(fair, ahead.SPAN))

    def require_unchanged(self) -> None:
        """Raises `Changed` when a remote file was replaced while it was read."""
        for path in self.remote:
            self.by_path[path].require_unchanged()


class Reader:
    """What one worker reads with. Reads return the bytes that came for them, which for remote files may be
    those of a whole span, or none of a span that is there already."""

    def __init__(self, files: Files) -> None:
        self._files = files.by_path
        self._ahead = {path: Ahead(files.by_path[path], files.pool, files.span) for path in files.remote}

    def read(self, source: Source, offset: int, out: NDArray) -> int:
        """Fills a contiguous array with the bytes at `offset` of the file of a source."""
        file = self._ahead.get(source.path) or self._files[source.path]
        return file.read_into(byte_view(out), offset, f"tensor `{source.tensor.name}`")

    def announce(self, ranges: Iterable[Range], perhaps: Iterable[Range] = ()) -> None:
        """What this worker reads next of these files, in place of what it announced of them before.

        Of what it reads `perhaps`, nothing is fetched before it reads the first of it.
        """
        extents: dict[Path, list[Extent]] = {}
        what: dict[Path, str] = {}
        sure = set()
        for source, start, stop in ranges:
            file = self._files[source.path]
            if not isinstance(file, LocalFile):
                extents.setdefault(source.path, []).append((start, stop))
                what.setdefault(source.path, f"tensor `{source.tensor.name}`")
                sure.add(source.path)
            elif _CAN_ANNOUNCE:
                os.posix_fadvise(file.fd, start, stop - start, os.POSIX_FADV_WILLNEED)
        for source, start, stop in perhaps:
            if source.path in self._ahead:
                extents.setdefault(source.path, []).append((start, stop))
                what.setdefault(source.path, f"tensor `{source.tensor.name}`")
        for path, wanted in extents.items():
            self._ahead[path].announce(_joined(wanted), what[path], at_once=path in sure)

    def copy(
        self, source: Source, start: int, count: int, writer: ModelWriter, name: str, offset: int
    ) -> int:
        """Copies bytes of a file to `offset` of the tensor `name` of the result; returns those that came."""
        file = self._files[source.path]
        if isinstance(file, LocalFile):
            writer.copy(name, file.fd, start, count, file.name, offset=offset)
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
        """Bytes that came of each remote file and were asked for by no read."""
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
