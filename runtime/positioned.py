"""Reads, writes and copies at given byte positions of open files.

Positions are explicit, so threads share one descriptor without a lock.
"""

from __future__ import annotations

import errno
import os

import numpy as np

from fusec.runtime.ranges.local import read_exactly

# A copy between file systems, or on a system without the call, goes through memory instead.
_NO_KERNEL_COPY = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM}
_COPY_CHUNK = 1 << 20


def read_into(fd: int, buffer: np.ndarray, offset: int, name: str) -> None:
    """Fills the contiguous `buffer` with the bytes at `offset` of file `name`. RunError if it cannot."""
    read_exactly(fd, byte_view(buffer), offset, name)


def write_from(fd: int, buffer: np.ndarray | bytes, offset: int) -> None:
    """Writes all bytes of the contiguous `buffer` at `offset`."""
    view = memoryview(buffer) if isinstance(buffer, bytes) else byte_view(buffer)
    while view:
        put = os.pwrite(fd, view, offset)
        view, offset = view[put:], offset + put


def copy_range(source: int, start: int, target: int, offset: int, count: int, name: str) -> None:
    """Copies `count` bytes of file `name` between descriptors, inside the operating system where it can."""
    while count and hasattr(os, "copy_file_range"):
        try:
            done = os.copy_file_range(source, target, count, start, offset)
        except OSError as error:
            if error.errno in _NO_KERNEL_COPY:
                break
            raise
        if done == 0:
            break
        start, offset, count = start + done, offset + done, count - done
    chunk = np.empty(min(count, _COPY_CHUNK), np.uint8)
    while count:
        piece = chunk[:count]
        read_into(source, piece, start, name)
        write_from(target, piece, offset)
        start, offset, count = start + len(piece), offset + len(piece), count - len(piece)


def byte_view(array: np.ndarray) -> memoryview:
    """The memory of a contiguous array as bytes."""
    # Through a flat view, as memoryview itself cannot cast arrays without elements.
    return array.reshape(-1).view(np.uint8).data
