"""A file of this machine, read with positioned reads."""

from __future__ import annotations

import ctypes
import os
import resource
import threading
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
        self._lock, self._untried, self._past_cache = threading.Lock(), exact, -1
        if exact and hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self.fd, 0, 0, os.POSIX_FADV_RANDOM)

    def read_into(self, buffer: memoryview, offset: int, what: str = "", *, again: bool = False) -> int:
        name, count, done = labelled(self.name, what), len(buffer), 0
        first = min(count, -offset % PAGE)
        pages = (count - first) // PAGE
        if not again and pages >= _WORTH_IT and in_step(buffer, offset) and self.leaves_out_cache:
            # The system hands out parts of pages only from its cache, where their neighbours find them.
            read_exactly(self.fd, buffer[:first], offset, name)
            done = first + self._read_pages(buffer[first : first + pages * PAGE], offset + first)
        read_exactly(self.fd, buffer[done:], offset + done, name)
        self.traffic.count(bytes=count, requests=1)
        return count

    def at_hand(self, start: int, stop: int) -> bool:
        """Whether all bytes of a range are in the cache of the system."""
        first, last = start // PAGE, -(-stop // PAGE)
        return (pages_held(self.fd, first * PAGE, (last - first) * PAGE) or 0) >= last - first

    @property
    def leaves_out_cache(self) -> bool:
        """Whether whole pages can be read past the cache; found out by the first who wants to."""
        with self._lock:
            if self._untried:
                self._untried, self._past_cache = False, _open_past_cache(self.fd)
        return self._past_cache >= 0

    def _read_pages(self, pages: memoryview, offset: int) -> int:
        """How many bytes of whole pages came past the cache; where that fails, it is tried through it."""
        done = 0
        # What is in the cache for the most part comes faster from there.
        if 2 * (pages_held(self.fd, offset, len(pages)) or 0) * PAGE > len(pages):
            return done
        with suppress(OSError):
            while done < len(pages) and (got := os.preadv(self._past_cache, [pages[done:]], offset + done)):
                done += got - got % PAGE
                if got % PAGE:
                    break
        return done

    def announce(self, offset: int, count: int) -> None:
        """Has the system fetch a range into its cache, from where it is copied inside the system next."""
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self.fd, offset, count, os.POSIX_FADV_WILLNEED)

    def require_unchanged(self) -> None:
        state = os.fstat(self.fd)
        if (state.st_size, state.st_mtime_ns) != (self.size, self._modified):
            raise Changed(self.name, "it was written to while it was being read")

    def close(self) -> None:
        os.close(self.fd)
        if self._past_cache >= 0:
            os.close(self._past_cache)

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
        with suppress(OSError, ValueError):  # a sandbox may forbid it, and the files may be few enough
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


def in_step(buffer: memoryview, offset: int) -> bool:
    """Whether bytes lie in memory as they lie in the pages of a file."""
    return (_address(buffer) - offset) % PAGE == 0


def _address(buffer: memoryview) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


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


def _open_past_cache(fd: int) -> int:
    """A second descriptor of an open file for reads past the cache, or -1.

    What is in the cache must come from there, so there is none where the system does not tell: before
    Linux 6.5, and on file systems that keep it elsewhere. `FUSEC_DIRECT_READS=0` is for those that had better
    not be asked.
    """
    if os.environ.get("FUSEC_DIRECT_READS") == "0" or not hasattr(os, "O_DIRECT"):
        return -1
    with suppress(OSError):
        os.pread(fd, 1, 0)
        if pages_held(fd, 0, PAGE):
            # Opened as what is open already: another file may be at its path by now.
            return os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECT)
    return -1
