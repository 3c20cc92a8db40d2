"""A file of this machine, read with positioned reads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

from fusec.runtime.kernel import RunError
from fusec.runtime.ranges.file import Changed, Traffic, labelled


class LocalFile:
    """An open descriptor. `fd` is there for those who copy inside the operating system.

    With `exact` the system is asked not to read ahead, so that what the disk gives is what was asked for,
    in whole pages.
    """

    version: str | None = None

    def __init__(self, path: Path, *, exact: bool = False) -> None:
        self.name, self.traffic = str(path), Traffic()
        try:
            self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise RunError(f"{path} cannot be read: {error.strerror}") from error
        state = os.fstat(self.fd)
        self.size, self._modified = state.st_size, state.st_mtime_ns
        if exact and hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self.fd, 0, 0, os.POSIX_FADV_RANDOM)

    def read_into(self, buffer: memoryview, offset: int, what: str = "") -> int:
        read_exactly(self.fd, buffer, offset, labelled(self.name, what))
        self.traffic.count(bytes=len(buffer), requests=1)
        return len(buffer)

    def require_unchanged(self) -> None:
        state = os.fstat(self.fd)
        if (state.st_size, state.st_mtime_ns) != (self.size, self._modified):
            raise Changed(self.name, "it was written to while it was being read")

    def close(self) -> None:
        os.close(self.fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def read_exactly(fd: int, view: memoryview, offset: int, name: str) -> None:
    """Fills a view of bytes from `offset` of an open file on. RunError if it cannot."""
    while view:
        try:
            got = os.preadv(fd, [view], offset)
        except OSError as error:
            raise RunError(f"{name} cannot be read at byte {offset}: {error.strerror}") from error
        if got == 0:
            raise RunError(f"{name} ended at byte {offset}: it was cut short while it was being read")
        view, offset = view[got:], offset + got
