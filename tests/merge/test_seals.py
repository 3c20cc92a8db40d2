"""Blocks that are read under a plan are checked, in whatever pieces they come."""

from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusec.runtime.kernel import RunError
from fusec.runtime.kernels.merge.changes import Source
from fusec.runtime.kernels.merge.reads import Reads
from fusec.runtime.kernels.merge.seals import Seals
from fusec.runtime.sources.safetensors_header import TensorInfo

BLOCK, ELEMENTS = 8, 27
VALUES = np.arange(ELEMENTS, dtype=np.uint16)
SOURCE = Source(Path("expert/model.safetensors"), TensorInfo("w", "BF16", (ELEMENTS,), 0, 2 * ELEMENTS))


def reads_of(values: np.ndarray) -> Reads:
    blocks = [values[at : at + BLOCK] for at in range(0, ELEMENTS, BLOCK)]
    hashes = [np.frombuffer(sha256(block.tobytes()).digest()[:16], np.uint8) for block in blocks]
    flags = np.ones((1, len(blocks)), bool)
    owner = np.zeros(flags.shape, np.int32)
    return Reads(BLOCK, flags, ~flags, owner, resting=True, hashes=np.array([hashes]))


@given(st.sets(st.integers(1, ELEMENTS - 1)), st.integers(0, ELEMENTS - 1))
def test_a_block_that_changed_is_named_whatever_the_tiles(cuts, place):
    edges = [0, *sorted(cuts), ELEMENTS]

    def take(seen: np.ndarray) -> None:
        seals = Seals()
        for start, stop in pairwise(edges):
            seals.take(reads_of(VALUES), 0, SOURCE, start, seen[start:stop])

    take(VALUES)
    changed = VALUES.copy()
    changed[place] += 1
    with pytest.raises(RunError, match=rf"tensor `w` changed in block {place // BLOCK} since"):
        take(changed)
