"""Ranges in few, large requests, under way before they are asked for.

A merge takes tiles of some hundred kilobytes, front to back. Asked for one by one they would cost a round
trip each, so a reader is told first which bytes will be wanted, cuts those, and no others, into spans, and
keeps the next span coming while one is being used.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fusec.runtime.ranges.file import RangeFile
from fusec.runtime.ranges.page_cache import PAGE

SPAN = 4 << 20
"""Bytes of one request to another machine, at most."""

SMALLEST_SPAN = 256 << 10
"""Below this a request is little but its round trip."""

Extent = tuple[int, int]
"""Bytes of a file from the first number to before the second."""


class Spaces:
    """Memory for spans of at most so many bytes, used again by all files that one thread reads."""

    def __init__(self, span: int = SPAN) -> None:
        self.span = span
        self._free: list[NDArray[np.uint8]] = []

    def take(self, start: int, stop: int) -> memoryview:
        """Memory for a span, as far behind a page as the span is."""
        try:
            held = self._free.pop()
        except IndexError:  # asked for by several threads at a time, so not asked before
            held = np.empty(self.span + PAGE, np.uint8)
        behind = (start - held.ctypes.data) % PAGE
        return held[behind : behind + stop - start].data

    def give(self, content: memoryview) -> None:
        """Takes back what `take` gave."""
        self._free.append(cast("NDArray[Any]", cast("NDArray[Any]", content.obj).base))


class Ahead:
    """Reads of `file` by one thread at a time, for which `pool` fetches what was announced.

    Reading on through what was announced fetches every byte of it once; a step back out of the span in hand
    fetches again. At most two spans are held. Bytes that were not announced are read as they are asked for.
    Spans end where a multiple of `page` does, and lie in memory as they do in pages of the file.
    """

    def __init__(self, file: RangeFile, pool: Executor, spaces: Spaces, *, page: int = 1) -> None:
        self._file, self._pool, self._spaces, self._page = file, pool, spaces, page
        self._spans: list[Extent] = []
        self._starts: list[int] = []
        self._coming: dict[Extent, Future[tuple[memoryview, int]]] = {}
        self._held: Extent | None = None
        self._content = memoryview(b"")
        self._unused = 0
        self._what, self._again = "", False

    def announce(
        self, extents: Sequence[Extent], what: str = "", *, at_once: bool = True, again: bool = False
    ) -> None:
        """What will be read next, in place of what was announced before: ordered extents, none over another.

        `what` is how messages call it. Fetching starts `at_once`, or else with the first read; what will be
        read `again` soon may be kept on the way. What is here or on its way already and wanted still is not
        fetched again, and what is in memory anyway is not fetched at all.
        """
        self._what, self._again = what, again
        extents = [extent for extent in extents if not self._file.at_hand(*extent)]
        # What is held stays: somebody may still look at it, until the next read.
        kept = [
            span
            for span in self._in_hand()
            if span == self._held or any(a < span[1] and span[0] < b for a, b in extents)
        ]
        self._let_go(keep=kept)
        self._spans = sorted([*kept, *cut(without(extents, kept), self._spaces.span, self._page)])
        self._starts = [start for start, _ in self._spans]
        if at_once:
            self._start(0)

    def forget(self) -> None:
        """Lets go of everything that was announced."""
        self._let_go(keep=())
        self._spans, self._starts = [], []

    def unused(self) -> int:
        """Bytes that came since the last call and that no read was given."""
        unused, self._unused = self._unused, 0
        return unused

    def look(self, offset: int, count: int) -> tuple[memoryview | None, int]:
        """The bytes where they lie, good until the next read, and how many were fetched for that.

        None where they do not lie within one span.
        """
        number = bisect_right(self._starts, offset) - 1
        if number < 0 or offset + count > self._spans[number][1]:
            return None, 0
        fetched, inside = self._hold(number), offset - self._starts[number]
        return self._content[inside : inside + count], fetched

    def read_into(self, buffer: memoryview, offset: int, what: str = "") -> int:
        """Fills the view; returns how many bytes were fetched for that."""
        fetched = 0
        while buffer:
            number = bisect_right(self._starts, offset) - 1
            start, stop = self._spans[number] if number >= 0 else (0, 0)
            if start <= offset < stop:
                fetched += self._hold(number)
                take = min(len(buffer), stop - offset)
                buffer[:take] = self._content[offset - start : offset - start + take]
            else:
                following = self._starts[number + 1 : number + 2]
                take = min([len(buffer), *(at - offset for at in following)])
                fetched += self._file.read_into(buffer[:take], offset, what, again=self._again)
            buffer, offset = buffer[take:], offset + take
        return fetched

    def _hold(self, number: int) -> int:
        wanted = self._spans[number]
        if wanted == self._held:
            return 0
        self._let_go(keep=[span for span in self._spans[number : number + 2] if span != self._held])
        self._start(number)
        self._content, count = self._coming.pop(wanted).result()
        self._held = wanted
        return count

    def _start(self, number: int) -> None:
        """Starts to fetch a span and the next one."""
        for wanted in self._spans[number : number + 2]:
            if wanted != self._held and wanted not in self._coming:
                self._coming[wanted] = self._pool.submit(self._fetch, *wanted)

    def _fetch(self, start: int, stop: int) -> tuple[memoryview, int]:
        content = self._spaces.take(start, stop)
        return content, self._file.read_into(content, start, self._what, again=self._again)

    def _in_hand(self) -> list[Extent]:
        return sorted([*self._coming, *([self._held] if self._held else [])])

    def _let_go(self, keep: Iterable[Extent]) -> None:
        """Drops what is held and what is coming, but for some spans."""
        for stray in self._coming.keys() - set(keep):
            future = self._coming.pop(stray)
            if not future.cancel() and future.exception() is None:
                content, count = future.result()
                self._unused += count
                self._spaces.give(content)
        if self._held is not None and self._held not in keep:
            self._spaces.give(self._content)
            self._held, self._content = None, memoryview(b"")


def cut(extents: Iterable[Extent], span: int, page: int = 1) -> list[Extent]:
    """The bytes of the extents, and no others, in pieces of at most `span`; touching extents are one.

    A piece that is not the last one of its extent ends at a multiple of `page`.
    """
    joined: list[Extent] = []
    for start, stop in extents:
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], stop)
        elif start < stop:
            joined.append((start, stop))
    return [piece for start, stop in joined for piece in _pieces(start, stop, span, page)]


def _pieces(start: int, stop: int, span: int, page: int) -> Iterator[Extent]:
    while start < stop:
        end = start + span
        end = stop if end >= stop else end - end % page
        yield start, end
        start = end


def without(extents: Iterable[Extent], others: Sequence[Extent]) -> Iterator[Extent]:
    """The bytes of ordered extents that are in none of the `others`, which are ordered too."""
    for start, stop in extents:
        for begin, end in others:
            if begin < stop and start < end:
                if start < begin:
                    yield start, begin
                start = min(stop, end)
        if start < stop:
            yield start, stop
