"""Content digests of files and folders: what a result *is*, whatever it is called and wherever it lies.

sha256 throughout, which is also what the Hugging Face hub records for large files. Modification times,
permissions, absolute paths and the order a file system lists names in never count.
"""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from fusec.runtime.kernel import RunError

_BUFFER = 1 << 20


class FileEntry(NamedTuple):
    """One file of a folder: relative posix name in Unicode NFC, size in bytes, sha256 in hex."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class FolderDigest:
    """The content of a folder: its files sorted by name, and one root over all of them."""

    root: str
    files: tuple[FileEntry, ...]

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


def bytes_digest(data: bytes) -> str:
    """The sha256 of bytes, in hex."""
    return hashlib.sha256(data).hexdigest()


def file_digest(path: Path) -> str:
    """The sha256 of a file's bytes, in hex, read once in large pieces. A link is followed."""
    digest, buffer = hashlib.sha256(), bytearray(_BUFFER)
    view = memoryview(buffer)
    try:
        with open(path, "rb", buffering=0) as file:
            while count := file.readinto(buffer):
                digest.update(view[:count])
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}") from error
    return digest.hexdigest()


def folder_digest(folder: Path, digest: Callable[[Path], str] = file_digest) -> FolderDigest:
    """The content of `folder` and all its subfolders.

    Links to files and folders are followed, so a hub snapshot equals a plain copy of it. A name that starts
    with a dot (`.DS_Store`, `.cache/`, `.git/`, `.gitattributes`) is housekeeping and never content. Empty
    subfolders do not count. `digest` replaces the hash of one file, for instance by a cached one.
    Raises `RunError` for a missing folder, a dangling or circular link, or a name that is not text.
    """
    return digest_of(
        FileEntry(name, path.stat().st_size, digest(path)) for name, path in content_files(folder)
    )


def digest_of(files: Iterable[FileEntry]) -> FolderDigest:
    """The digest of a folder that holds exactly `files`, in whatever order they come."""
    ordered = tuple(sorted(files, key=lambda file: file.name.encode()))
    root = hashlib.sha256(b"fusec folder 1\n")
    for file in ordered:
        root.update(f"{file.name}\0{file.size}\0{file.sha256}\n".encode())
    return FolderDigest(root.hexdigest(), ordered)


def content_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Every file of `folder` that is content, as (name, path); the rules are those of `folder_digest`."""
    if not folder.is_dir():
        raise RunError(f"{folder} is not a folder")
    seen: set[str] = set()
    for path in _walk(folder, (os.path.realpath(folder),)):
        name = unicodedata.normalize("NFC", path.relative_to(folder).as_posix())
        if any(
            "\udc80" <= letter <= "\udcff" for letter in name
        ):  # how Python shows bytes that are not UTF-8
            raise RunError(f"{folder} holds a file whose name is not UTF-8: {os.fsencode(name)!r}")
        if name in seen:
            raise RunError(f"{folder} holds two files named {name!r} that differ only in Unicode form")
        seen.add(name)
        yield name, path


def _walk(folder: Path, above: tuple[str, ...]) -> Iterator[Path]:
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise RunError(f"{folder} cannot be listed: {error.strerror}") from error
    for path in paths:
        if path.name.startswith("."):
            continue
        if path.is_file():
            yield path
        elif path.is_dir():
            real = os.path.realpath(path)
            if real in above:
                raise RunError(f"{path} is a link to a folder that contains it")
            yield from _walk(path, (*above, real))
        elif path.is_symlink():
            raise RunError(f"{path} is a link to a file that does not exist")
        else:
            raise RunError(f"{path} is neither a file nor a folder")
