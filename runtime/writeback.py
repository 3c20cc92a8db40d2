"""Has written bytes go to the disk while more are written, so that the sync at the end finds little to do.

Left alone, the system keeps them for half a minute, and who then asks for durability waits for all of them.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

EVERY = 64 << 20
"""Bytes written to one file before it is synced: seconds of a disk's work, and no time of anybody else's."""


class Writeback:
    """Syncs open files on a thread of its own, one at a time. Leave it before the files are closed.

    It promises nothing: whoever needs durability still syncs, and finds errors of the disk there.
    """

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._waiting: dict[int, int] = {}
        self._busy: Future[None] | None = None
        self._lock = threading.Lock()

    def wrote(self, fd: int, count: int) -> None:
        """Somebody wrote `count` bytes to an open file; any thread may say so."""
        with self._lock:
            waiting = self._waiting[fd] = self._waiting.get(fd, 0) + count
            if waiting < EVERY or (self._busy is not None and not self._busy.done()):
                return
            self._waiting[fd] = 0
            self._pool = self._pool or ThreadPoolExecutor(1, "writeback")
            self._busy = self._pool.submit(os.fdatasync, fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.shutdown()
