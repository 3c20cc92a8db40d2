"""Blocks that are read under a plan must be those that were analysed: their bytes hash to what it says."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusec.runtime.analysis.content import HASH_BYTES
from fusec.runtime.kernel import RunError
from fusec.runtime.kernels.merge.changes import Source
from fusec.runtime.kernels.merge.reads import Reads


class Seals:
    """The hashes of the blocks that one worker is reading, tile after tile, one for each expert."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[str, int, Any]] = {}

    def take(self, reads: Reads, expert: int, source: Source, start: int, raw: NDArray[Any]) -> None:
        """The elements of an expert from flat index `start` on; a block counts when all of it came in order.

        RunError naming expert, tensor and block, when a block is not the one of the plan.
        """
        if reads.hashes is None:
            return
        at, name = 0, source.tensor.name
        while at < raw.size:
            block, inside = divmod(start + at, reads.block)
            end = min((block + 1) * reads.block, source.tensor.elements)
            count = min(raw.size - at, end - start - at)
            piece, at = raw[at : at + count], at + count
            if inside == 0:
                self._open[expert] = name, start + at - count, hashlib.sha256()
            tensor, position, digest = self._open.get(expert, ("", -1, None))
            if tensor != name or position != start + at - count:
                continue
            digest.update(piece.view(np.uint8))
            self._open[expert] = name, start + at, digest
            known = reads.hashes[expert, block]
            if start + at == end and known.any() and digest.digest()[:HASH_BYTES] != known.tobytes():
                raise RunError(
                    f"FUSE402: {source} changed in block {block} since it was analysed",
                    hint="analyse the model as it is now with `fusec catalog analyze`",
                )
