"""What a file of ranges is, whoever serves it."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from typing import Protocol, Self

from fusec.runtime.kernel import RunError

UPDATE = "`fusec lock --update` takes the source as it is now"


@dataclass
class Traffic:
    """What came for the reads of one file; threads share it.

    bytes     of the body, also those of answers that broke off
    requests  that were answered or not, retries among them
    retries   requests after the first one of a read
    """

    bytes: int = 0
    requests: int = 0
    retries: int = 0
    _lock: Lock = field(default_factory=Lock, repr=False, compare=False)

    def count(self, *, bytes: int = 0, requests: int = 0, retries: int = 0) -> None:
        with self._lock:
            self.bytes += bytes
            self.requests += requests
            self.retries += retries


class RangeFile(Protocol):
    """An open file of a known size. Reads may come from any thread, in any order.

    `name` is what messages call it, never with a secret in it; `version` is None where nothing but the
    bytes tells one content from the next.
    """

    name: str
    size: int
    version: str | None
    traffic: Traffic

    def read_into(self, buffer: memoryview, offset: int, what: str = "", *, again: bool = False) -> int:
        """Fills a writable view of bytes with those at `offset`; returns how many came for it.

        Bytes that are read `again` soon may be kept by a cache on the way.

        Raises RunError naming the file and `what` (a tensor, say), and `Changed` where the file is not the
        one that was opened.
        """

    def at_hand(self, start: int, stop: int) -> bool:
        """Whether the bytes of a range are in memory already, so that nobody need fetch them ahead."""

    def require_unchanged(self) -> None:
        """Raises `Changed` when reads so far may have seen different contents."""

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...


class Changed(RunError):
    """The file is not the one that was opened or pinned."""

    def __init__(self, name: str, how: str) -> None:
        super().__init__(f"FUSE402: {name} changed since it was locked: {how}", hint=UPDATE)


def labelled(name: str, what: str) -> str:
    return f"{name}: {what}" if what else name
