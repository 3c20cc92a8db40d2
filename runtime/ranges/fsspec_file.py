"""Ranges of a file that fsspec reads: object stores and whatever else has a file system for it."""

from __future__ import annotations

from typing import Any, Self

from fusec.runtime.kernel import RunError
from fusec.runtime.ranges.addresses import PACKAGES, remote_scheme, shown
from fusec.runtime.ranges.file import Changed, Traffic, labelled
from fusec.runtime.ranges.retrying import ATTEMPTS, Attempts

_VERSIONS = ("generation", "VersionId", "version_id", "ETag", "etag")
"""What object stores call that which tells two contents apart, best first."""


class FsspecFile:
    """A file below one of fsspec's file systems; its own settings and environment hold the credentials."""

    def __init__(self, address: str, size: int, version: str | None, attempts: int = ATTEMPTS) -> None:
        self.address, self.name, self.attempts = address, shown(address), attempts
        self.size, self.version, self.traffic = size, version, Traffic()
        self._fs, self._path = file_system(address)

    @classmethod
    def open(cls, address: str, peek: int) -> tuple[Self, bytes] | None:
        """The file with its first `peek` bytes; None where there is none."""
        fs, path = file_system(address)
        info = _info(fs, path, shown(address))
        if info is None or info.get("type") != "file":
            return None
        file = cls(address, int(info["size"]), version_of(info))
        head = bytearray(min(peek, file.size))
        file.read_into(memoryview(head), 0)
        return file, bytes(head)

    def at_hand(self, start: int, stop: int) -> bool:
        return False

    def read_into(self, buffer: memoryview, offset: int, what: str = "", *, again: bool = False) -> int:
        where, end, reason = labelled(self.name, what), offset + len(buffer), ""
        if not buffer:
            return 0
        cause: Exception | None = None
        for attempt in Attempts(self.attempts):
            self.traffic.count(requests=1, retries=int(attempt > 0))
            try:
                content = self._fs.cat_file(self._path, start=offset, end=end)
            except FileNotFoundError as error:
                raise Changed(where, "it is gone") from error
            except Exception as error:  # every file system has its own
                reason, cause = f"reading failed ({type(error).__name__})", error
                continue
            self.traffic.count(bytes=len(content))
            if len(content) == len(buffer):
                buffer[:] = content
                return len(content)
            reason = f"{len(content)} of {len(buffer)} bytes came"
            cause = ConnectionError(reason)
        what_failed = f"{where} cannot be read at byte {offset}: {reason}, and so {self.attempts} times"
        raise RunError(what_failed, hint="look at the store or the network, and run again") from cause

    def require_unchanged(self) -> None:
        self._fs.invalidate_cache()
        info = _info(self._fs, self._path, self.name)
        if info is None:
            raise Changed(self.name, "it is gone")
        if (int(info["size"]), version_of(info)) != (self.size, self.version):
            raise Changed(self.name, "the store holds another version")

    def close(self) -> None:
        """Nothing to do: file systems belong to all files."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def file_system(address: str) -> tuple[Any, str]:
    """The file system of an address and the path inside it."""
    import fsspec

    scheme = remote_scheme(address) or ""
    try:
        fs, path = fsspec.core.url_to_fs(address)
    except ImportError as error:
        package = PACKAGES.get(scheme)
        hint = f"pip install {package}" if package else "install the package that fsspec names for it"
        raise RunError(f"`{scheme}://` needs a package that is not installed", hint=hint) from error
    except Exception as error:  # wrong settings of a file system, which each says in its own way
        raise RunError(f"{shown(address)} cannot be read: {type(error).__name__} of fsspec") from error
    return fs, path


def names_in(address: str) -> tuple[str, ...]:
    """The names of the files right below a folder, sorted; none where there is no folder."""
    fs, path = file_system(address)
    try:
        found = fs.ls(path, detail=True)
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except Exception as error:
        raise _refused(shown(address), error) from error
    return tuple(sorted(one["name"].rstrip("/").rpartition("/")[2] for one in found if one["type"] == "file"))


def version_of(info: dict[str, Any]) -> str | None:
    """What an object store gives a content besides its name, None where it gives nothing."""
    for field in _VERSIONS:
        value = info.get(field)
        if value and not str(value).startswith("W/"):
            return f"{field.lower().replace('_', '')}:{value}"
    return None


def _info(fs: Any, path: str, name: str) -> dict[str, Any] | None:
    try:
        info: dict[str, Any] = fs.info(path)
    except FileNotFoundError:
        return None
    except Exception as error:
        raise _refused(name, error) from error
    return info


def _refused(name: str, error: Exception) -> RunError:
    hint = "look at the address, the network and the credentials that fsspec takes from the environment"
    return RunError(f"{name} cannot be read: {type(error).__name__} of its file system", hint=hint)
