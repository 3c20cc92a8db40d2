"""The k largest changes of a tensor are found exactly, whichever way it takes."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fusec.runtime.kernel import Method
from fusec.runtime.kernels.merge import histograms, selection
from fusec.runtime.kernels.merge.cuts import Query, magnitude_bits
from fusec.runtime.ranges.local import LocalFile

FEW_VALUES = st.sampled_from([0.0, -0.0, 0.5, -0.5, 0.25, 1e-42, 3.0])
ANY_VALUE = st.floats(-4, 4, width=32)


class Changes:
    """A tensor of one expert over a base of zeros, in memory, cut into tiles of `tile` elements."""

    def __init__(self, delta, tile, begin=0, end=None):
        self.whole, self.tile, self.begin = delta, tile, begin
        self.end = delta.size if end is None else end
        self.elements = delta.size

    def tiles(self, buffers) -> Iterator["Tile"]:
        for at in range(self.begin, self.end, self.tile):
            yield Tile(self.whole, at, min(at + self.tile, self.end))

    def only(self, experts):
        return self

    def part(self, begin, end):
        return Changes(self.whole, self.tile, begin, end)

    def spread(self, ranges, work):
        return [work(self.part(*bounds)) for bounds in ranges]


class Tile:
    def __init__(self, whole, start, stop):
        self.start, self.values = start, whole[start:stop]

    def base(self, buffer):
        return np.zeros_like(self.values)

    def delta(self, i, base, buffer):
        return self.values.copy()


@pytest.fixture(params=["held", "bracket", "frequent", "unmarked", "narrowed", "overflow", "histograms"])
def way(request, monkeypatch):
    """Small limits, so that small tensors go the way of large ones."""
    if request.param != "held":
        for name, value in {"HELD": 0, "PIECE": 2, "PIECES": 3, "APART": 20}.items():
            monkeypatch.setattr(selection, name, value)
    if request.param in ("bracket", "narrowed", "overflow"):
        monkeypatch.setattr(selection, "_FREQUENT", 0)  # nothing is frequent
    if request.param == "unmarked":
        monkeypatch.setattr(selection, "MARKED", 0)
    if request.param in ("narrowed", "overflow"):
        monkeypatch.setattr(selection, "CANDIDATES", 10 if request.param == "narrowed" else 0)
    if request.param == "histograms":
        monkeypatch.setattr(selection, "_by_bracket", lambda t, _, q: histograms.find_by_histograms(t, q))
    monkeypatch.setattr(histograms, "PART", 7)


# The limits are the same for all examples of a test.
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    delta=st.one_of(
        *(hnp.arrays(np.float32, st.integers(9, 90), elements=e) for e in (FEW_VALUES, ANY_VALUE))
    ),
    share=st.floats(0.01, 1),
    tile=st.integers(1, 90),
)
def test_exactly_k_stay_and_the_lowest_index_among_equals(way, delta, share, tile):
    k = max(1, int(share * delta.size))
    (cut,) = selection.find_cuts(Changes(delta, tile), [Query(0, k)])
    stays = np.concatenate(
        [
            cut.above(magnitude_bits(piece, out=np.empty_like(piece)), at)
            for at in range(0, delta.size, tile)
            for piece in [delta[at : at + tile]]
        ]
    )
    kept = np.argsort(-np.abs(delta), kind="stable")[:k]
    # Which zeros stay makes no difference.
    assert np.array_equal(np.flatnonzero(stays & (delta != 0)), np.sort(kept[delta[kept] != 0]))


def test_a_large_tensor_is_read_once_where_the_sample_holds():
    delta = np.random.default_rng(0).standard_normal(selection.HELD + 4321).astype(np.float32)
    read = []

    class Counted(Changes):
        def part(self, begin, end):
            read.append(end - begin)
            return super().part(begin, end)

    (cut,) = selection.find_cuts(Counted(delta, 1 << 15), [Query(0, delta.size // 3)])
    assert sum(read) == delta.size
    bits = magnitude_bits(delta, out=np.empty_like(delta))
    assert np.count_nonzero(cut.above(bits, 0)) == delta.size // 3


def test_values_that_many_share_are_counted_not_collected():
    """Half of all changes are one value, and the threshold is that value."""
    delta = np.random.default_rng(1).choice(np.float32([0, 0.25, -0.25, 0.5]), selection.HELD + 1)
    k = int(0.4 * delta.size)
    (cut,) = selection.find_cuts(Changes(delta, 1 << 15), [Query(0, k)])
    stays = cut.above(magnitude_bits(delta, out=np.empty_like(delta)), 0)
    assert np.count_nonzero(stays) == k
    assert np.array_equal(np.flatnonzero(stays), np.sort(np.argsort(-np.abs(delta), kind="stable")[:k]))


def test_no_expert_is_fetched_for_a_pass_over_others(assert_reads_as_planned, monkeypatch):
    """More experts than share a pass over the base, on a disk where nothing is in memory yet."""
    monkeypatch.setattr(LocalFile, "at_hand", lambda self, start, stop: False)
    random = torch.Generator().manual_seed(0)
    models = [{"w": torch.randn(64, 32, generator=random)} for _ in range(selection.TOGETHER + 3)]
    assert_reads_as_planned(models, Method("ties", {"density": 0.4, "scale": 1.0, "normalize": True}))
