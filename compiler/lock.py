"""The lock: what every source of a spec was, by content. `<spec>.lock`, JSON, made to be committed.

With a lock, checking and planning look at no source at all and give the same answer on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from fusec.compiler.facts import SourceFacts, SourceRequest

VERSION = 1


class Entry(msgspec.Struct, frozen=True):
    request: SourceRequest
    facts: SourceFacts


class Lock(msgspec.Struct, frozen=True):
    version: int = VERSION
    sources: tuple[Entry, ...] = ()

    def facts(self) -> dict[SourceRequest, SourceFacts]:
        return {entry.request: entry.facts for entry in self.sources}


class BadLock(Exception):
    """The file is not a lock, or one of a newer fusec (FUSE505)."""


def make_lock(facts: Mapping[SourceRequest, SourceFacts]) -> Lock:
    """A lock in an order that no spec decides."""
    ordered = sorted(facts.items(), key=lambda item: (item[0].kind, item[0].uri, str(item[0].options)))
    return Lock(VERSION, tuple(Entry(request, found) for request, found in ordered))


def encode_lock(lock: Lock) -> bytes:
    return msgspec.json.format(msgspec.json.encode(lock), indent=1) + b"\n"


def decode_lock(data: bytes) -> Lock:
    """Read a lock back; raises `BadLock` with one sentence."""

    class Head(msgspec.Struct):
        version: int

    try:
        version = msgspec.json.decode(data, type=Head).version
        if version > VERSION:
            raise BadLock(f"lock format {version} is newer than {VERSION}, the newest this fusec reads")
        return msgspec.json.decode(data, type=Lock)
    except msgspec.DecodeError as error:
        raise BadLock(f"not a lock file: {error}") from None
