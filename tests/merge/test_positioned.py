"""Positioned I/O does all that was asked for, or says which file is at fault."""

import os

import numpy as np
import pytest

from fusec.runtime.kernel import RunError
from fusec.runtime.positioned import copy_range, read_into, write_from

CONTENT = bytes(range(256)) * 8192  # 2 MiB: more than one chunk


@pytest.fixture
def fds(tmp_path):
    """A file with CONTENT and an empty one."""
    (tmp_path / "source").write_bytes(CONTENT)
    opened = [os.open(tmp_path / "source", os.O_RDWR), os.open(tmp_path / "target", os.O_RDWR | os.O_CREAT)]
    yield opened
    for fd in opened:
        os.close(fd)


@pytest.mark.parametrize("in_kernel", [True, False])
def test_copies_a_range(fds, tmp_path, monkeypatch, in_kernel):
    if not in_kernel:
        monkeypatch.delattr(os, "copy_file_range", raising=False)
    source, target = fds
    count = len(CONTENT) - 10
    copy_range(source, 3, target, 5, count, "source")
    assert (tmp_path / "target").read_bytes() == bytes(5) + CONTENT[3 : 3 + count]


@pytest.mark.parametrize("in_kernel", [True, False])
def test_a_file_that_shrank_is_named(fds, monkeypatch, in_kernel):
    if not in_kernel:
        monkeypatch.delattr(os, "copy_file_range", raising=False)
    source, target = fds
    os.ftruncate(source, 100)
    with pytest.raises(RunError, match="source ended at byte 100"):
        copy_range(source, 50, target, 0, 60, "source")
    with pytest.raises(RunError, match="source ended at byte 100"):
        read_into(source, np.empty(60, np.uint8), 50, "source")


def test_an_unreadable_file_is_named(tmp_path):
    fd = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(RunError, match="folder cannot be read at byte 8: Is a directory"):
        read_into(fd, np.empty(4, np.uint8), 8, "folder")
    os.close(fd)


def test_writes_arrays_at_their_place(fds, tmp_path):
    _, target = fds
    write_from(target, np.arange(3, dtype=np.uint16), 4)
    write_from(target, b"ab", 0)
    write_from(target, np.empty((0, 3), np.float32), 100)
    assert (tmp_path / "target").read_bytes() == b"ab\0\0" + np.arange(3, dtype=np.uint16).tobytes()
