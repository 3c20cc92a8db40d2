"""The files a spec may use, as the checker sees them: texts by path, read by somebody else."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from hashlib import sha256
from typing import Protocol

import msgspec

from fusec.compiler.paths import is_local
from fusec.lang.parse import Parsed
from fusec.lang.source import Source

PACKAGE = "pkg:"
"""Begins the address of a file in an installed Python package."""


class File(msgspec.Struct, frozen=True):
    """A file that was read. Equal `identity` means the same file, however its path was spelt."""

    identity: str
    parsed: Parsed


class UsedFile(msgspec.Struct, frozen=True, order=True):
    """A file that a spec used, by content: the sha256 of its text, in hex."""

    path: str
    sha256: str


def used_files(texts: Mapping[str, Source]) -> tuple[UsedFile, ...]:
    return tuple(
        UsedFile(path, sha256(source.text.encode()).hexdigest()) for path, source in sorted(texts.items())
    )


class Files(Protocol):
    """Where `use` finds specs; paths are relative to the folder of the spec that is run."""

    @property
    def main(self) -> str:
        """The identity of the spec that is run."""

    def read(self, path: str) -> File | str:
        """The file, or in a few words why it cannot be read: "no such file"."""


class NoFiles:
    """For specs that stand alone."""

    main = ""

    def read(self, path: str) -> File | str:
        return "no such file"


def resolve(folder: str, path: str) -> str:
    """`path`, as a file in `folder` writes it, seen from the spec that is run."""
    if not is_local(path) or path.startswith(("/", "~", "file:")):
        return path
    where = posixpath.normpath(posixpath.join(folder, path))
    inside = folder.split("/", 1)[0] if folder.startswith(PACKAGE) else ""
    # What leads out of a package is left as written, for its reader to refuse.
    return where if where.startswith(inside) else f"{folder}/{path}"
