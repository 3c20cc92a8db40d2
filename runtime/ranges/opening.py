"""From a path or an address to an open file."""

from __future__ import annotations

from pathlib import Path

from fusec.runtime.ranges.addresses import HTTP, remote_scheme, shown
from fusec.runtime.ranges.file import RangeFile
from fusec.runtime.ranges.local import LocalFile
from fusec.runtime.ranges.retrying import ATTEMPTS
from fusec.runtime.ranges.standin import read_stand_in


def open_file(path: Path, *, exact: bool = False) -> RangeFile:
    """The file at a path, or the remote one that it stands in for, held to its version.

    `exact` keeps the operating system from reading ahead in local files. RunError where there is none.
    """
    stand_in = read_stand_in(path)
    if stand_in is None:
        return LocalFile(path, exact=exact)
    assert stand_in.version is not None, "a file without a version is copied, not stood in for"
    return reopen(stand_in.address, stand_in.size, stand_in.version)


def open_remote(address: str, peek: int) -> tuple[RangeFile, bytes] | None:
    """The file behind an address with its first `peek` bytes, or None where there is none."""
    if remote_scheme(address) in HTTP:
        from fusec.runtime.ranges.http import HttpFile

        return HttpFile.open(address, peek)
    from fusec.runtime.ranges.fsspec_file import FsspecFile

    return FsspecFile.open(address, peek)


def name_of(path: Path) -> str:
    """What messages call the file at a path: its address where it stands in for a remote one."""
    stand_in = read_stand_in(path)
    return str(path) if stand_in is None else shown(stand_in.address)


def reopen(address: str, size: int, version: str | None, attempts: int = ATTEMPTS) -> RangeFile:
    """A remote file whose size is known, held to its version where it has one; asks nobody yet."""
    if remote_scheme(address) in HTTP:
        from fusec.runtime.ranges.http import HttpFile

        return HttpFile(address, size, version, attempts)
    from fusec.runtime.ranges.fsspec_file import FsspecFile

    return FsspecFile(address, size, version, attempts)
