"""Merges of whole matrices by their singular vectors.

Everything is float64. A factorization comes from a library, whose bits depend on its build and on the
processor; each runs on one thread, so that they do not depend on the number of workers. Such methods are
`seeded`, not `exact`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

import numpy as np

from fusec.runtime.kernels.merge.codec import F32
from fusec.runtime.kernels.merge.operator import F64, Grain, Tensor, Tile, add_update

ALIKE = 1e-6
"""Stacked directions whose singular value is this far below the largest point where the others point."""


@dataclass(frozen=True)
class OfMatrices:
    """`B + scale * combine(D_1 ... D_K)` for matrices, `B + scale * mean(D_i)` for tensors of other ranks.

    A worker holds a tensor whole: (K + 1) times as float32, one delta and its factors more as float64.
    """

    combine: Callable[[Sequence[F32]], F64 | None]
    """From (r, c) deltas to what is added to the base; None for nothing."""

    experts: int
    scale: float
    grain: Grain = "tensor"

    @property
    def buffers(self) -> int:
        return 1 + self.experts

    def start(self, tensor: Tensor) -> Callable[[Tile], F32]:
        def merge(tile: Tile) -> F32:
            base = tile.base(0)
            deltas = [tile.delta(i, base, 1 + i) for i in range(self.experts)]
            if len(tensor.shape) != 2:
                return self._plain(base, deltas)
            with one_thread():
                update = self.combine([delta.reshape(tensor.shape) for delta in deltas])
            if update is None:
                return base
            np.multiply(update.reshape(-1), self.scale, out=deltas[0], casting="same_kind")
            return add_update(base, deltas[0])

        return merge

    def _plain(self, base: F32, deltas: Sequence[F32]) -> F32:
        total = deltas[0]
        for delta in deltas[1:]:
            np.add(total, delta, out=total)
        np.divide(total, np.float32(len(deltas)), out=total)
        np.multiply(total, np.float32(self.scale), out=total)
        return add_update(base, total)


@dataclass(frozen=True)
class Factored:
    """A matrix as `left @ diag(values) @ right`: (r, m), (m,) falling, (m, c)."""

    left: F64
    values: F64
    right: F64

    def first(self, count: int) -> Factored:
        return Factored(self.left[:, :count], self.values[:count], self.right[:count])


def factor(matrix: F32 | F64, size: float = 0.0) -> Factored:
    """The singular values above `1e-6 S_1 max(r, c)` with their vectors; those of the rest are arbitrary.

    Where the matrix is the rest of a larger one, `size` is the 2-norm of that one, and counts for S_1.
    """
    left, values, right = _svd(matrix)
    kept = int(np.count_nonzero(values > 1e-6 * np.maximum(values[:1], size) * max(matrix.shape)))
    return Factored(left, values, right).first(kept)


def stack(parts: Sequence[Factored]) -> Factored:
    """Side by side, with each side's vectors replaced by the nearest that are orthogonal."""
    left = np.concatenate([part.left for part in parts], axis=1)
    right = np.concatenate([part.right for part in parts], axis=0)
    values = np.concatenate([part.values for part in parts])
    if not values.size:
        return Factored(left, values, right)
    return Factored(_orthogonal(left), values, _orthogonal(right))


def product(left: F64, right: F64) -> F64:
    import torch

    return (torch.from_numpy(left) @ torch.from_numpy(right)).numpy()


def total(deltas: Sequence[F32]) -> F64:
    """The sum of the deltas."""
    result = deltas[0].astype(np.float64)
    for delta in deltas[1:]:
        result += delta
    return result


def _orthogonal(vectors: F64) -> F64:
    """The nearest partial isometry; vectors that repeat others share their direction."""
    left, values, right = _svd(vectors)
    kept = int(np.count_nonzero(values > ALIKE * values[0]))
    return product(left[:, :kept], right[:kept])


def _svd(matrix: F32 | F64) -> tuple[F64, F64, F64]:
    import torch

    left, values, right = torch.linalg.svd(torch.from_numpy(matrix).double(), full_matrices=False)
    return left.contiguous().numpy(), values.numpy(), right.contiguous().numpy()


_lock = Lock()
_inside = _had = 0


@contextmanager
def one_thread() -> Iterator[None]:
    """A scope in which torch uses one thread; the last of our threads to leave it puts the number back."""
    import torch

    global _inside, _had
    with _lock:
        if not _inside:
            _had = torch.get_num_threads()
        _inside += 1
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                torch.set_num_threads(_had)
