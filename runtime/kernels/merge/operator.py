"""What a merge method has to say; the engine does the rest.

An operator computes one float32 tile from the same range of the base and of every expert, with
element-wise operations in a fixed order. That is all that makes results independent of tiles, threads and
shards: no reduction along a tile, no library sum, no fused multiply-add. Sums over rows or tensors go through
`fusec.runtime.analysis.inner`, which fixes their order.

A package adds a method with a module that has `operator(weights, **arguments) -> Operator`: `weights` holds a
number for each expert, in the order in which tiles give them, and `arguments` are those of the method.
A method that has experts read data has `look()` in its module, which gives a `statistics.Look`; what that
finds for each expert is one more argument, `measured`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from fusec.runtime.kernel import RunError
from fusec.runtime.kernels.merge.codec import F32

F64 = NDArray[np.float64]
T = TypeVar("T")


Grain = Literal["elements", "rows", "ordered", "tensor"]
"""What may be merged on its own: any range of a tensor, any whole rows (of the last axis), or only the whole
tensor: tile after tile in flat order, or as one tile."""


class Tile(Protocol):
    """One range of one tensor. Buffers hold float32; a buffer number is the same memory every time."""

    @property
    def start(self) -> int:
        """The flat index of the first element."""

    @property
    def size(self) -> int: ...

    @property
    def present(self) -> Sequence[int]:
        """The experts that change something here and are read; the delta of every other one is zero."""

    def base(self, buffer: int) -> F32:
        """Reads the base into a buffer."""

    def expert(self, i: int, buffer: int) -> F32:
        """The weights of expert `i` (canonical order) in a buffer; of a delta, the base plus the delta."""

    def delta(self, i: int, base: F32, buffer: int) -> F32:
        """What expert `i` changed, in a buffer: its weights minus `base` (this tile's), or its delta."""

    def buffer(self, number: int) -> F32:
        """Memory of the tile's length, with whatever was there before."""


class Tensor(Protocol):
    """One tensor across all inputs."""

    @property
    def name(self) -> str: ...

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def elements(self) -> int: ...

    def identity(self, i: int) -> str:
        """What tells expert `i` from all others, whatever its name, place and number: for random streams."""

    def tiles(self, buffers: int) -> Iterator[Tile]:
        """The tensor in flat order, in tiles small enough for that many buffers; reads nothing by itself."""

    def row_tiles(self, buffers: int) -> Iterator[Tile]:
        """The same in tiles of whole rows of the last axis; a tensor of one axis is one row."""

    def only(self, experts: Sequence[int]) -> Tensor:
        """The same tensor where tiles are asked for no other experts: others are not fetched ahead."""

    def part(self, begin: int, end: int) -> Tensor:
        """The same tensor between two flat indices: its tiles are only those."""

    def spread(self, ranges: Sequence[tuple[int, int]], work: Callable[[Tensor], T]) -> list[T]:
        """The results of `work` for parts of the tensor, done by all threads that have this tensor in hand.

        Only for `start`, whose thread takes part; results come in the order of the ranges.
        """

    def gram(self) -> F64:
        """Inner products of the base and what each expert changed, exact but for the rounding of float64.

        (K + 1, K + 1): row 0 is the base, row i + 1 the delta of expert i. One pass over the tensor.
        """


class Operator(Protocol):
    """A method with its parameters, for a given list of experts."""

    @property
    def buffers(self) -> int:
        """Buffers that a tile needs. Tiles shrink as this grows, so memory does not."""

    @property
    def grain(self) -> Grain: ...

    def start(self, tensor: Tensor) -> Callable[[Tile], F32]:
        """The function from a tile to its merged values, after any passes over the tensor that it needs.

        Called once for each tensor. With the grains "elements" and "rows" several threads use the function.
        """


Operators = Callable[[str], Operator]
"""The operator of each tensor that is merged, by its name."""


def add_update(base: F32, update: F32) -> F32:
    """`base + update`, in place of `update`; the base's own bits where the update is zero.

    A plain sum would turn a base of -0.0 into 0.0, and an expert equal to the base would change bytes.
    """
    # 0 - u is +0 for both zeros, and b - (+0) is b for every b.
    np.subtract(np.float32(0), update, out=update)
    return np.subtract(base, update, out=update)


def total_weight(weights: Sequence[float]) -> np.float32:
    """The sum that normalizes the weights. RunError if it is zero up to rounding."""
    total = math.fsum(weights)
    if abs(total) <= 1e-8 * math.fsum(map(abs, weights)):
        raise RunError(
            f"the weights {', '.join(f'{w:g}' for w in weights)} sum to zero, so they cannot be normalized",
            hint="change a weight, or set normalize: false",
        )
    return np.float32(total)
