"""What of a file the system holds in memory, asked without touching it."""

from __future__ import annotations

import ctypes
import mmap
import sys

PAGE = max(4096, mmap.PAGESIZE)
"""Bytes. Also what positions, lengths and addresses of reads past the cache are multiples of."""

_CACHESTAT = 451  # of Linux on x86-64 and ARM, from 6.5 on
_syscall = getattr(ctypes.CDLL(None, use_errno=True), "syscall", None)


class _Range(ctypes.Structure):
    _fields_ = (("offset", ctypes.c_uint64), ("length", ctypes.c_uint64))


class _Counts(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_uint64) for name in ("cached", "dirty", "written", "evicted", "recently")
    )


def pages_held(fd: int, offset: int, length: int) -> int | None:
    """The pages of a range of an open file that are in memory; None where the system does not say."""
    if _syscall is None or sys.platform != "linux":
        return None
    counts = _Counts()
    where = ctypes.byref(_Range(offset, length))
    failed = _syscall(_CACHESTAT, fd, where, ctypes.byref(counts), 0)
    return None if failed else int(counts.cached)
