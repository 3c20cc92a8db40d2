"""A file of this machine, read with positioned reads."""

from __future__ import annotations

import ctypes
import os
import resource
from contextlib import suppress
from pathlib import Path
from typing import Self

from fusec.runtime.kernel import RunError
from fusec.runtime.ranges.file import Changed, Traffic, labelled
from fusec.runtime.ranges.page_cache import PAGE, pages_held

_OTHERS = 512  # descriptors of everything but models
_WORTH_IT = 16  # pages; with less, three calls instead of one cost more than the copy


class LocalFile:
    """An open descriptor. `fd` is there for those who copy inside the operating system.

    With `exact` the system is asked not to read ahead, so that what the disk gives is what was asked for,
    in whole pages. Into memory that is `in_step` with the file these then go past its cache: a copy less,
    which is most of the processor time of a cold read, and what others have in the cache stays there.
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
        self.direct: int | None = None
        if exact and hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self.fd, 0, 0, os.POSIX_FADV_RANDOM)
            self.direct = _open_past_cache(path, self.fd)

    def read_into(self, buffer: memoryview, offset: int, what: str = "") -> int:
        name, count = labelled(self.name, what), len(buffer)
        first = min(count, -offset % PAGE)
        pages = (count - first) // PAGE
        if self.direct is not None and pages >= _WORTH_IT and self._past_cache(buffer, offset, pages):
            # The system hands out parts of pages only from its cache, where their neighbours find them.
            last = first + pages * PAGE
            read_exactly(self.fd, buffer[:first], offset, name)
            read_exactly(self.direct, buffer[first:last], offset + first, name, whole=PAGE)
            read_exactly(self.fd, buffer[last:], offset + last, name)
        else:
            read_exactly(self.fd, buffer, offset, name)
        self.traffic.count(bytes=count, requests=1)
        return count

    def announce(self, offset: int, count: int) -> None:
        """Has the system fetch a range into its cache, from where it is copied inside the system next."""
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self.fd, offset, count, os.POSIX_FADV_WILLNEED)

    def _past_cache(self, buffer: memoryview, offset: int, pages: int) -> bool:
        """Whether a range can leave out the cache, and is not there for the most part, which is faster."""
        return in_step(buffer, offset) and 2 * (pages_held(self.fd, offset, pages * PAGE) or 0) <= pages

    def require_unchanged(self) -> None:
        state = os.fstat(self.fd)
        if (state.st_size, state.st_mtime_ns) != (self.size, self._modified):
            raise Changed(self.name, "it was written to while it was being read")

    def close(self) -> None:
        os.close(self.fd)
        if self.direct is not None:
            os.close(self.direct)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def allow_open(count: int) -> None:
    """Lets this process have so many files open beside those it has, as far as the system lets it.

    Systems allow a program a thousand unless it asks for more, and sixteen large models have more shards.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * count + _OTHERS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


def in_step(buffer: memoryview, offset: int) -> bool:
    """Whether bytes lie in memory as they lie in the pages of a file."""
    return (_address(buffer) - offset) % PAGE == 0


def _address(buffer: memoryview) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


def read_exactly(fd: int, view: memoryview, offset: int, name: str, *, whole: int = 1) -> None:
    """Fills a view of bytes from `offset` of an open file on. RunError if it cannot.

    Reads come in multiples of `whole` bytes, but for one that meets the end of the file.
    """
    while view:
        try:
            got = os.preadv(fd, [view], offset)
        except OSError as error:
            raise RunError(f"{name} cannot be read at byte {offset}: {error.strerror}") from error
        if got == 0 or got % whole:
            raise RunError(f"{name} ended at byte {offset + got}: it was cut short while it was being read")
        view, offset = view[got:], offset + got


def _open_past_cache(path: Path, fd: int) -> int | None:
    """A second descriptor, or None where the file system or the system cannot, or nobody could tell what is
    in the cache: what is there must come from there. `FUSEC_DIRECT_READS=0` is for file systems that can, but
    had better not."""
    if os.environ.get("FUSEC_DIRECT_READS") == "0" or not hasattr(os, "O_DIRECT"):
        return None
    if pages_held(fd, 0, PAGE) is None:
        return None
    with suppress(OSError):
        direct = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECT)
        try:
            # What some file systems refuse only when it is done.
            probe = memoryview(bytearray(2 * PAGE))
            os.preadv(direct, [probe[-_address(probe) % PAGE :][:PAGE]], 0)
        except OSError:
            os.close(direct)
            raise
        return direct
    return None
