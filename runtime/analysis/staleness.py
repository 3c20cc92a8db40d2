"""Whether a block that was read still holds what its columns are about."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fusec.runtime.analysis.content import block_hash
from fusec.runtime.analysis.tables import ModelTable
from fusec.runtime.kernel import RunError


def verify_block(table: ModelTable, expert: str, block: int, raw: NDArray[np.uint8] | bytes) -> None:
    """Raises RunError naming expert, tensor and block unless `raw`, the whole block, is as measured."""
    require_hash(table, expert, block, block_hash(raw))


def require_hash(table: ModelTable, expert: str, block: int, found: bytes) -> None:
    """The same from the hash of the bytes: the beginning of their SHA-256, however it was come by."""
    if table.hashes[block].tobytes() != found[: table.hashes.shape[1]]:
        raise RunError(
            f"{expert}: block {block} of tensor `{table.name}` changed since it was analysed",
            hint="analyse it again with `fusec catalog analyze` and plan anew",
        )
