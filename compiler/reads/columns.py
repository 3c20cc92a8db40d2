"""What a catalog knows about one tensor across the experts of a merge: numbers per block, no weights.

A block is a range of a flattened tensor: `BLOCK` elements, the last one of a tensor short. Blocks have the
same elements in every model, whatever a model's dtype and shards are. Models of 405 billion parameters have
millions of them, so all that is known of them lies in arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusec.compiler.reads.grid import block_count

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class TensorColumns:
    """One tensor of the base against K experts in canonical order; B blocks. Read-only.

    files     (K,) int64     number of the file that holds the expert's tensor, -1 where it holds none
    start     (K,) int64     its first byte in that file
    itemsize  (K,) int64     bytes per element there
    zero      (K, B) bool    the block equals the base's in bytes and dtype: nothing to read, no change
    owner     (K, B) int32   the first expert with the same bytes and dtype in this block, itself if none
    norm2     (K, B) float64 squared 2-norm of `expert - base` in the block
    gram      (B, K, K) float64 inner products of the changes, where the catalog holds them, else None
    exact     whether norm2 and gram are exact (up to rounding); estimates bound nothing
    fixed     (K,) int64     bytes that reading anything of this tensor of the expert costs, whatever the
                             block: the factors of an adapter. `files` is -1, its blocks cost nothing more.
    """

    name: str
    elements: int
    block: int
    files: I64
    start: I64
    itemsize: I64
    zero: Flags
    owner: NDArray[np.int32]
    norm2: F64
    gram: F64 | None
    exact: bool
    fixed: I64

    @property
    def blocks(self) -> int:
        return block_count(self.elements, self.block)

    @property
    def sizes(self) -> I64:
        """(B,) elements of each block."""
        sizes: NDArray[Any] = np.full(self.blocks, self.block, np.int64)
        if self.elements % self.block:
            sizes[-1] = self.elements % self.block
        return sizes
