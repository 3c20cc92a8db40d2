"""What a model *is*: hashes of stored bytes, from blocks up to one root for all tensors.

The root depends on names, dtypes, shapes and bytes of the tensors; on no shard, path, time or block size.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from fusec.runtime.analysis.inner import LEAF

HASH_BYTES = 16
LEAF_BYTES = 32


class Hashes:
    """Hashes of one tensor's stored bytes, which come in order from a multiple of leaf and block on.

    `leaves`: SHA-256 of every LEAF elements, for the root. `blocks`: the first HASH_BYTES of the SHA-256 of
    every `block` elements, by which equal blocks are found.
    """

    def __init__(self, block: int) -> None:
        self.leaves: list[bytes] = []
        self.blocks: list[bytes] = []
        self._block = block
        self._leaf_hash, self._block_hash = sha256(), sha256()
        self._taken = 0

    def add(self, raw: NDArray[np.uint8], elements: int) -> None:
        """The bytes of the next `elements`, which lie in one leaf and one block."""
        self._leaf_hash.update(raw.data)
        if self._block != LEAF:
            self._block_hash.update(raw.data)
        self._taken += elements
        self._close(self._taken % LEAF == 0, self._taken % self._block == 0)

    def finish(self) -> None:
        """Closes a last leaf and block that are short."""
        self._close(self._taken % LEAF != 0, self._taken % self._block != 0)

    def _close(self, leaf: bool, block: bool) -> None:
        if block:
            digest = (self._block_hash if self._block != LEAF else self._leaf_hash).digest()
            self.blocks.append(digest[:HASH_BYTES])
            self._block_hash = sha256()
        if leaf:
            self.leaves.append(self._leaf_hash.digest())
            self._leaf_hash = sha256()


def tensor_root(name: str, dtype: str, shape: Sequence[int], leaves: NDArray[np.uint8]) -> bytes:
    """One tensor by its name, dtype, shape and the hashes of its leaves in order: (leaves, LEAF_BYTES)."""
    root = sha256(f"fusec tensor 1\n{dtype} {list(shape)} {len(name.encode())}\n{name}\n".encode())
    root.update(leaves.tobytes())
    return root.digest()


def content_root(tensors: Iterable[bytes]) -> str:
    """A model by the roots of its tensors, in whatever order they come; hex."""
    root = sha256(b"fusec weights 1\n")
    for tensor in sorted(tensors):
        root.update(tensor)
    return root.hexdigest()
