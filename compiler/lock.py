"""The lock: what every source of a spec was, by content. `<spec>.lock`, JSON, made to be committed.

With a lock, checking and planning look at no source at all and give the same answer on every machine. The
packages that a spec takes verbs from are in it too; their code is needed, so they have to be installed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from fusec.compiler.facts import SourceFacts, SourceRequest
from fusec.compiler.files import UsedFile
from fusec.compiler.packages import PackagePin

VERSION = 1


class Entry(msgspec.Struct, frozen=True):
    request: SourceRequest
    facts: SourceFacts


class Lock(msgspec.Struct, frozen=True):
    version: int = VERSION
    sources: tuple[Entry, ...] = ()
    packages: tuple[PackagePin, ...] = ()
    spec_files: tuple[UsedFile, ...] = ()

    def facts(self) -> dict[SourceRequest, SourceFacts]:
        return {entry.request: entry.facts for entry in self.sources}


class BadLock(Exception):
    """The file is not a lock."""


class NewerLock(BadLock):
    """The lock of a newer fusec (FUSE505)."""

    def __init__(self, version: int) -> None:
        super().__init__(f"lock format {version} is newer than {VERSION}, the newest this fusec reads")
        self.version = version


def make_lock(
    facts: Mapping[SourceRequest, SourceFacts],
    packages: Iterable[PackagePin] = (),
    spec_files: Iterable[UsedFile] = (),
) -> Lock:
    """A lock in an order that no spec decides."""
    ordered = sorted(facts.items(), key=lambda item: (item[0].kind, item[0].uri, str(item[0].options)))
    entries = tuple(Entry(request, found) for request, found in ordered)
    return Lock(VERSION, entries, tuple(sorted(set(packages))), tuple(sorted(spec_files)))


def encode_lock(lock: Lock) -> bytes:
    return msgspec.json.format(msgspec.json.encode(lock), indent=1) + b"\n"


def decode_lock(data: bytes) -> Lock:
    """Read a lock back; raises `BadLock` with one sentence."""

    class Head(msgspec.Struct):
        version: int

    try:
        version = msgspec.json.decode(data, type=Head).version
        if version > VERSION:
            raise NewerLock(version)
        return msgspec.json.decode(data, type=Lock)
    except msgspec.DecodeError as error:
        raise BadLock(f"not a lock file: {error}") from None
