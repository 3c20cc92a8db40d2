"""What an element draws depends on the seed, the tensor, the expert and the element."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusec.runtime.kernels.merge.random import ONE, stream

STREAM = stream(7, "layer.weight", "sha256:abc#0")


@given(st.integers(0, 400), st.integers(0, 60))
def test_any_range_of_a_stream_is_that_part_of_it(start, size):
    assert np.array_equal(STREAM.lanes(start, size), STREAM.lanes(0, 500)[start : start + size])


def test_a_stream_is_philox_and_stays_what_it_is():
    """Masks of merges that were made and recorded come from these numbers."""
    philox = np.random.Philox(key=np.array(STREAM.key, np.uint64), counter=1 << 40)
    words = philox.random_raw(2)
    halves = [int(half) for word in words for half in (word & 0xFFFFFFFF, word >> 32)]
    assert STREAM.lanes(8 << 40, 4).tolist() == halves
    assert STREAM.lanes(0, 3).tolist() == [3940890717, 1800079031, 1363623096]


@pytest.mark.parametrize(
    "other",
    [(8, "layer.weight", "sha256:abc#0"), (7, "layer.bias", "sha256:abc#0"), (7, "layer.weight", "x")],
)
def test_streams_of_other_seeds_tensors_and_experts_differ(other):
    assert not np.any(STREAM.lanes(0, 64) == stream(*other).lanes(0, 64))


def test_numbers_are_even():
    lanes, n = STREAM.lanes(3, 1 << 18), 1 << 18
    counts = np.bincount(lanes // (ONE // 16), minlength=16)
    # 5 deviations of a binomial count
    assert np.abs(counts - n / 16).max() < 5 * (n / 16 * 15 / 16) ** 0.5
