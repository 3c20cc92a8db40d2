"""Random numbers with an address: what element e of a stream draws depends on nothing but the stream and e.

Philox (Salmon et al., SC 2011) turns a key and a counter into four 64-bit words, so a stream may be entered
anywhere. Masks that are drawn from it are the same for every tile, thread, shard and order of experts.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

U32 = NDArray[np.uint32]

_LANES = 8  # 32-bit numbers of one counter value

ONE = 1 << 32
"""Lanes are even on 0 .. ONE - 1, so `lane < p * ONE` holds with probability p."""


@dataclass(frozen=True)
class Stream:
    """One number for each element of one tensor of one expert."""

    key: tuple[int, int]

    def lanes(self, start: int, size: int) -> U32:
        """The numbers of the elements from flat index `start` on."""
        counter, skip = divmod(start, _LANES)
        words = -(-(skip + size) // _LANES) * (_LANES // 2)
        philox = np.random.Philox(key=np.array(self.key, np.uint64), counter=counter)
        raw: NDArray[np.uint64] = philox.random_raw(words)
        # In every word the low half comes first, whatever the byte order of the machine.
        lanes: U32 = raw.astype("<u8", copy=False).view("<u4")
        return lanes[skip : skip + size]


def stream(seed: int, tensor: str, identity: str) -> Stream:
    """The stream of a tensor of an expert; any two that differ in a seed or a name are independent."""
    text = f"{seed}\0{tensor}\0{identity}".encode()
    digest = hashlib.sha256(text).digest()
    return Stream((int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:16], "little")))
