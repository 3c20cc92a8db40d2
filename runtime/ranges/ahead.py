"""Remote ranges in few, large requests, under way before they are asked for.

A merge takes tiles of some hundred kilobytes, front to back. Asked for one by one they would cost a round
trip each, so a reader is told first which bytes will be wanted, cuts those, and no others, into spans, and
keeps the next span coming while one is being used.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from concurrent.futures import Executor, Future

from fusec.runtime.ranges.file import RangeFile

SPAN = 4 << 20
"""Bytes of one request, at most."""

SMALLEST_SPAN = 256 << 10
"""Below this a request is little but its round trip."""

Extent = tuple[int, int]
"""Bytes of a file from the first number to before the second."""


class Ahead:
    """Reads of `file` by one thread at a time, for which `pool` fetches what was announced.

    Reading on through what was announced fetches every byte of it once; a step back out of the span in hand
    fetches again. At most two spans are held. Bytes that were not announced are read as they are asked for.
    """

    def __init__(self, file: RangeFile, pool: Executor, span: int = SPAN) -> None:
        self._file, self._pool, self._span = file, pool, span
        self._spans: list[Extent] = []
        self._starts: list[int] = []
        self._coming: dict[int, Future[tuple[bytearray, int]]] = {}
        self._held, self._content = -1, bytearray()
        self._unused = 0
        self._what = ""

    def announce(self, extents: Sequence[Extent], what: str = "", *, at_once: bool = True) -> None:
        """What will be read next, in place of what was announced before: ordered extents, none over another.

        `what` is how messages call it. Fetching starts `at_once`, or else with the first read.
        """
        self.forget()
        self._what = what
        self._spans = cut(extents, self._span)
        self._starts = [start for start, _ in self._spans]
        if at_once:
            self._start(0)

    def forget(self) -> None:
        """Lets go of everything that was announced."""
        for future in self._coming.values():
            if not future.cancel() and future.exception() is None:
                self._unused += future.result()[1]
        self._coming.clear()
        self._spans, self._starts = [], []
        self._held, self._content = -1, bytearray()

    def unused(self) -> int:
        """Bytes that came since the last call and that no read was given."""
        unused, self._unused = self._unused, 0
        return unused

    def read_into(self, buffer: memoryview, offset: int, what: str = "") -> int:
        """Fills the view; returns how many bytes were fetched for that."""
        fetched = 0
        while buffer:
            number = bisect_right(self._starts, offset) - 1
            start, stop = self._spans[number] if number >= 0 else (0, 0)
            if start <= offset < stop:
                fetched += self._hold(number)
                take = min(len(buffer), stop - offset)
                buffer[:take] = memoryview(self._content)[offset - start : offset - start + take]
            else:
                following = self._starts[number + 1 : number + 2]
                take = min([len(buffer), *(at - offset for at in following)])
                fetched += self._file.read_into(buffer[:take], offset, what)
            buffer, offset = buffer[take:], offset + take
        return fetched

    def _hold(self, number: int) -> int:
        if number == self._held:
            return 0
        for stray in [one for one in self._coming if one not in (number, number + 1)]:
            future = self._coming.pop(stray)
            if not future.cancel() and future.exception() is None:
                self._unused += future.result()[1]
        self._start(number)
        self._content, count = self._coming.pop(number).result()
        self._held = number
        return count

    def _start(self, number: int) -> None:
        """Starts to fetch a span and the next one."""
        for wanted in (number, number + 1):
            if wanted < len(self._spans) and wanted not in self._coming:
                self._coming[wanted] = self._pool.submit(self._fetch, *self._spans[wanted])

    def _fetch(self, start: int, stop: int) -> tuple[bytearray, int]:
        content = bytearray(stop - start)
        return content, self._file.read_into(memoryview(content), start, self._what)


def cut(extents: Sequence[Extent], span: int) -> list[Extent]:
    """The bytes of the extents, and no others, in pieces of at most `span`; touching extents are one."""
    joined: list[Extent] = []
    for start, stop in extents:
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], stop)
        elif start < stop:
            joined.append((start, stop))
    return [(at, min(at + span, stop)) for start, stop in joined for at in range(start, stop, span)]
