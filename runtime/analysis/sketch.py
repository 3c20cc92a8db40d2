"""A short linear sketch of a block: 32 numbers from which norms and inner products can be estimated.

Every element adds to one of `WIDTH` buckets with a sign. Buckets and signs follow from the seed, the number
of elements of the tensor and the position in it, never from the model: the sketch of a difference is the
difference of the sketches. The squared norm of a sketch estimates that of the block with a relative
standard deviation near `sqrt(2 / WIDTH)`, up to twice that for patterns that repeat: enough to rank blocks,
never a bound.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fusec.runtime.analysis.inner import CHUNK, F32, F64
from fusec.runtime.analysis.mixing import mixed

WIDTH = 32
SEED = 0x6675_7365_63

# Within a chunk: one random order of the elements, cut into buckets, and one random sign each.
_RANDOM = mixed(np.arange(CHUNK, dtype=np.uint64) + np.uint64(SEED))
_ORDER = np.argsort(_RANDOM, kind="stable")
_SIGNS = (_RANDOM & np.uint64(1)).astype(np.uint32) << np.uint32(31)


def sketch_chunks(values: F32, elements: int, first: int, scratch: F64) -> F64:
    """(chunks, WIDTH) sketches of `values` (chunks, CHUNK), finite, that start at chunk `first` of a tensor.

    `elements` is how many the tensor has. The sketch of a block is the sum of those of its chunks. `scratch`
    is overwritten; it is at least as large as `values`.
    """
    signed, ordered = scratch.reshape(-1)[: values.size].view(np.float32).reshape(2, *values.shape)
    np.bitwise_xor(values.view(np.uint32), _SIGNS, out=signed.view(np.uint32))
    np.take(signed, _ORDER, axis=1, out=ordered, mode="clip")  # other modes make a copy first
    sums = np.add.reduce(ordered.reshape(len(values), WIDTH, -1), axis=-1)
    places, signs = _between_chunks(elements, first, len(values))
    return sums.reshape(-1)[places] * signs


@lru_cache(maxsize=256)
def _between_chunks(elements: int, first: int, chunks: int) -> tuple[NDArray[np.int64], F64]:
    """Of each chunk, one more rotation of the buckets, as flat places, and one more sign."""
    tensor = mixed(np.array([elements ^ SEED], np.uint64))
    random = mixed(np.arange(first, first + chunks, dtype=np.uint64) + tensor)
    turns = (random >> np.uint64(1)).astype(np.int64)[:, None] % WIDTH
    places = np.arange(chunks)[:, None] * WIDTH + (np.arange(WIDTH) - turns) % WIDTH
    return places, 1.0 - 2.0 * (random & np.uint64(1)).astype(np.float64)[:, None]
