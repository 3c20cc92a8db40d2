"""The best approximation of a matrix by two factors of low rank, and what it leaves out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from fusec.runtime.kernels.merge.codec import F32


@dataclass(frozen=True)
class Truncated:
    """`up @ down` approximates a matrix (rows, columns): `up` is (rows, rank), `down` (rank, columns).

    `update` and `error` are Frobenius norms: of the matrix, and of what the approximation leaves out.
    """

    down: F32
    up: F32
    update: float
    error: float

    @property
    def rank(self) -> int:
        return len(self.down)


def truncate(matrix: F32, rank: int, epsilon: float, device: str = "cpu") -> Truncated:
    """The truncated singular value decomposition of `matrix`, its singular values shared by both factors.

    At most `rank` of them are kept, none that is not above `epsilon`, and none that the float32 entries of
    the matrix cannot tell from 0. The error is that of the truncation, in exact factors.
    """
    # The eigenvectors of the shorter Gram matrix are singular vectors. In float64 its squares cost singular
    # values less than 1e-7 of the largest, which are dropped here, and it is a fraction of the work.
    wide = torch.from_numpy(matrix).to(device, torch.float64)
    tall = len(wide) > wide.shape[1]
    wide = wide.T if tall else wide
    squares, vectors = torch.linalg.eigh(wide @ wide.T)
    squares, vectors = squares.flip(0).clamp(min=0), vectors.flip(1)
    values = squares.sqrt()
    floor = float(values[0]) * max(matrix.shape) * torch.finfo(torch.float32).eps
    kept = min(rank, int((values > max(epsilon, floor)).sum()))
    left = vectors[:, :kept]
    # A pair of singular vectors may be negated together; the largest entry settles it for all libraries.
    left = left * torch.sign(left.gather(0, left.abs().argmax(0, keepdim=True)))
    roots = values[:kept].sqrt()
    up, down = left * roots, (left.T @ wide) / roots[:, None]
    if tall:
        up, down = down.T, up.T
    return Truncated(
        down=np.ascontiguousarray(down.float().cpu().numpy()),
        up=np.ascontiguousarray(up.float().cpu().numpy()),
        update=float(squares.sum().sqrt()),
        error=float(squares[kept:].sum().sqrt()),
    )
