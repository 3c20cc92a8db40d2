"""Spans fetched ahead: the right bytes, each once, and the count of what came."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusec.runtime.kernel import RunError
from fusec.runtime.ranges.ahead import Ahead, Spaces, cut

CONTENT = bytes(i * 7 % 256 for i in range(600))


class Remembering:
    """A file that remembers which bytes were read of it, and by how many requests."""

    def __init__(self) -> None:
        self.read: list[int] = []
        self.requests = 0

    def at_hand(self, start: int, stop: int) -> bool:
        return False

    def read_into(self, buffer: memoryview, offset: int, what: str = "", *, again: bool = False) -> int:
        if offset + len(buffer) > len(CONTENT):
            raise RunError(f"the file: {what} ends")
        buffer[:] = CONTENT[offset : offset + len(buffer)]
        self.read.extend(range(offset, offset + len(buffer)))
        self.requests += 1
        return len(buffer)


bounds = st.lists(st.integers(0, len(CONTENT)), min_size=2, max_size=12, unique=True).map(sorted)
extents = bounds.map(lambda b: list(zip(b[::2], b[1::2], strict=False)))
reads = st.lists(st.tuples(st.integers(0, 599), st.integers(1, 100)), max_size=20)


@given(extents, st.integers(1, 200), st.integers(1, 90))
def test_reading_on_fetches_every_byte_once_in_whole_spans(extents, span, step):
    file = Remembering()
    with ThreadPoolExecutor(2) as pool:
        ahead, fetched = Ahead(file, pool, Spaces(span)), 0
        ahead.announce(extents)
        for start, stop in extents:
            for at in range(start, stop, step):
                tile = bytearray(min(step, stop - at))
                fetched += ahead.read_into(memoryview(tile), at)
                assert tile == CONTENT[at : at + len(tile)]
        ahead.forget()
        assert ahead.unused() == 0
    announced = [byte for start, stop in extents for byte in range(start, stop)]
    assert sorted(file.read) == announced
    assert (fetched, file.requests) == (len(announced), len(cut(extents, span)))


@given(extents, reads, st.integers(1, 300))
def test_any_reads_give_the_right_bytes_and_count_what_came(extents, reads, span):
    file = Remembering()
    with ThreadPoolExecutor(2) as pool:
        ahead, fetched = Ahead(file, pool, Spaces(span)), 0
        ahead.announce(extents)
        for at, count in reads:
            tile = bytearray(min(count, 600 - at))
            fetched += ahead.read_into(memoryview(tile), at)
            assert tile == CONTENT[at : at + len(tile)]
        ahead.forget()
        fetched += ahead.unused()
    assert fetched == len(file.read)


@given(extents, st.integers(1, 200))
def test_spans_are_the_extents_in_pieces(extents, span):
    spans = cut(extents, span)
    assert all(0 < stop - start <= span for start, stop in spans)
    assert [b for s in spans for b in range(*s)] == [b for e in extents for b in range(*e)]
    assert cut([(0, 5), (5, 9)], 20) == [(0, 9)]


def test_a_failure_on_the_way_is_the_readers():
    with ThreadPoolExecutor(2) as pool:
        ahead = Ahead(Remembering(), pool, Spaces(500))
        ahead.announce([(0, 700)], "tensor `a`")
        tile = bytearray(500)
        ahead.read_into(memoryview(tile), 0)
        with pytest.raises(RunError, match="tensor `a` ends"):
            ahead.read_into(memoryview(tile), 200)


def test_what_is_looked_at_stays_when_more_is_announced():
    with ThreadPoolExecutor(2) as pool:
        ahead = Ahead(Remembering(), pool, Spaces(100))
        ahead.announce([(0, 100)])
        seen, _ = ahead.look(0, 100)
        ahead.announce([(100, 400)])
        for start in (100, 200):
            assert seen == CONTENT[:100]
            ahead.announce([(start, 400)])
        assert ahead.look(200, 100)[0] == CONTENT[200:300]
