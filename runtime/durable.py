"""Writes that survive a crash: locks that die with their holder, staging, syncing, swapping.

A lease here is an advisory lock of the operating system (`flock`) on a file beside the staged folder. The
kernel drops it when the holder dies, however it dies, so no process id has to be judged: a recycled id, a
reboot or a process of another container can never make a dead lease look alive or a live one dead.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fusec.runtime.kernel import RunError
from fusec.runtime.writeback import EVERY, Writeback

Waiting = Callable[[int], None]
"""Called several times a second with the process id of the holder; raises to give up waiting."""

_POLL_SECONDS = 0.05
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CANNOT = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTTY)
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)


def failpoint(name: str) -> None:
    """Kills this process where it stands if the environment says `FUSEC_FAILPOINT=name`; for crash tests."""
    if os.environ.get("FUSEC_FAILPOINT") == name:
        os.kill(os.getpid(), signal.SIGKILL)


# --- locks and leases ---------------------------------------------------------------------------------------


@contextmanager
def file_lock(path: Path, waiting: Waiting = lambda pid: None) -> Iterator[None]:
    """Holds the lock `path`, waiting for it; also excludes other threads of this process."""
    while (descriptor := _try_lock(path)) is None:
        waiting(_holder(path))
        time.sleep(_POLL_SECONDS)
    try:
        yield
    finally:
        _unlock(path, descriptor)


@contextmanager
def lock_if_free(path: Path) -> Iterator[bool]:
    """Holds the lock `path` and gives True, or gives False at once when somebody else holds it."""
    descriptor = _try_lock(path)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            _unlock(path, descriptor)


@contextmanager
def leased_folder(
    folder: Path,
    *,
    waiting: Waiting = lambda pid: None,
    rescue: Callable[[Path], None] = lambda leftover: None,
) -> Iterator[Path]:
    """Gives `folder`, new and empty and ours alone; what is left of it afterwards is removed.

    What a dead holder left in it is handed to `rescue` and then removed.
    """
    with file_lock(folder.with_name(folder.name + ".lock"), waiting):
        if folder.exists():
            rescue(folder)
        remove_tree(folder)
        folder.mkdir()
        try:
            yield folder
        finally:
            remove_tree(folder)


def _try_lock(path: Path) -> int | None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The holder before us removes the file before it lets go, so the lock may be on a file nobody sees.
        if os.path.exists(path) and os.path.samestat(os.fstat(descriptor), os.stat(path)):
            with suppress(OSError):  # who holds it is said for people; a full disk has no room for that
                os.ftruncate(descriptor, 0)
                os.write(descriptor, str(os.getpid()).encode())
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError as error:
        os.close(descriptor)
        raise RunError(
            f"{path} cannot be locked: {error.strerror}", hint="use a store on a file system with flock"
        ) from error
    os.close(descriptor)
    return None


def _unlock(path: Path, descriptor: int) -> None:
    path.unlink(missing_ok=True)
    os.close(descriptor)


def _holder(path: Path) -> int:
    try:
        return int(path.read_text() or 0)
    except (FileNotFoundError, ValueError):
        return 0


# --- files and folders --------------------------------------------------------------------------------------


def make_folder(path: Path) -> None:
    """Makes a folder and its missing parents, each durable in the list of names above it."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        sync_folder(path.parent)


def sync_tree(folder: Path) -> None:
    """Makes everything in `folder`, and the folder's own list of names, durable."""
    for where, _, names in os.walk(folder):
        for name in names:
            _sync(os.path.join(where, name))
        _sync(where)


def sync_folder(folder: Path) -> None:
    """Makes the list of names in `folder` durable: a rename into it has then happened for good."""
    _sync(folder)


def _sync(path: str | Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_file(path: Path, data: bytes) -> None:
    """Writes `path` so that readers, and a crash at any moment, find the old bytes or the new ones.

    One writer at a time per path; a crash may leave the hidden file `.<name>.new`, which the next one reuses.
    Permissions of a file that was there stay.
    """
    fresh = path.with_name(f".{path.name}.new")
    try:
        with open(fresh, "wb") as file:
            if path.exists():
                os.fchmod(file.fileno(), path.stat().st_mode & 0o7777)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)
    sync_folder(path.parent)


def copy_file(source: Path, to: Path) -> None:
    """Copies bytes inside the kernel, sharing blocks on file systems that can; permissions are not copied."""
    with open(source, "rb") as reader, open(to, "xb") as writer, Writeback() as writeback:
        left = os.fstat(reader.fileno()).st_size
        try:
            while left and (count := os.copy_file_range(reader.fileno(), writer.fileno(), min(left, EVERY))):
                left -= count
                writeback.wrote(writer.fileno(), count)
        except OSError as error:
            if error.errno not in _CANNOT:
                raise
            shutil.copyfileobj(reader, writer, 1 << 20)


def remove_tree(folder: Path) -> None:
    """Removes a folder and everything in it; no folder is fine."""
    if folder.exists():
        shutil.rmtree(folder)


def swap_folder(new: Path, to: Path, aside: Path) -> None:
    """Puts the folder `new` at `to`; a folder that was there ends up at `new` or at `aside`.

    One system call where it exists: readers find the old folder or the new one. Elsewhere two renames, and
    a crash between them leaves the old folder at `aside`, from where `unswap_folder` brings it back.
    """
    if not to.exists():
        os.rename(new, to)
    elif not _exchange(new, to):
        os.rename(to, aside)
        failpoint("swap.aside")
        os.rename(new, to)
    sync_folder(to.parent)


def unswap_folder(to: Path, aside: Path) -> None:
    """Completes what a crash inside `swap_folder` left undone, by bringing the old folder back."""
    if aside.exists() and not to.exists():
        os.rename(aside, to)
        sync_folder(to.parent)


def _exchange(one: Path, other: Path) -> bool:
    if _renameat2 is None:
        return False
    if _renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _CANNOT:
        return False
    raise OSError(code, os.strerror(code), str(other))


# --- a full disk --------------------------------------------------------------------------------------------


@contextmanager
def full_disk_is_clear(path: Path, needed: int | None = None) -> Iterator[None]:
    """Turns "no space", "over quota" and "file too large" into one clear error that names `path`.

    Libraries written in other languages wrap the system's error in a type of their own, so the text counts.
    """
    try:
        yield
    except RunError:
        raise
    except Exception as error:
        code = error.errno if isinstance(error, OSError) else None
        if code not in _FULL:
            code = next((full for full in _FULL if os.strerror(full) in str(error)), None)
        if code is None:
            raise
        size = "" if needed is None else f", which needs {needed:,} bytes"
        raise RunError(
            f"writing {path}{size}, failed: {os.strerror(code).lower()}",
            hint="free some space or choose a place on a larger disk; nothing half-written was left",
        ) from error
