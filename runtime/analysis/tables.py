"""Columns of one tensor as the catalog keeps them, and their bytes there.

B blocks, K experts. Elements that are not finite count as zero in all columns but the one that counts them,
so a column never holds anything but finite numbers.
"""

from __future__ import annotations

import dataclasses
import zlib
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from fusec.runtime.analysis.inner import F32, F64

FORMAT = 1
"""Of the bytes, and of what the columns mean; columns of another one are measured again."""

_WORTH_IT = 0.8

I64 = NDArray[np.int64]
T = TypeVar("T", bound="_Table")


@dataclass(frozen=True, eq=False)
class _Table:
    def encode(self) -> bytes:
        fields = {field.name: _packed(getattr(self, field.name)) for field in dataclasses.fields(self)}
        return msgspec.msgpack.encode(fields)

    @classmethod
    def decode(cls: type[T], data: bytes) -> T:
        return cls(**{name: _unpacked(value) for name, value in msgspec.msgpack.decode(data).items()})


@dataclass(frozen=True, eq=False)
class ModelTable(_Table):
    """One stored tensor of a model. For dtypes that are not BF16, F16 or F32 only the hashes say anything.

    root       32 bytes            the tensor by name, dtype, shape and content
    hashes     (B, 16) uint8       SHA-256 of the stored bytes, truncated
    norm2      (B,) float64        squared 2-norm
    largest    (B,) float32        largest magnitude
    nonfinite  (B,) int64          infinities and not-a-numbers
    zeros      (B,) int64          elements that are exactly zero
    sketch     (B, 32) float32     `sketch.py`
    """

    kind: ClassVar = "model"

    name: str
    dtype: str
    shape: tuple[int, ...]
    block: int
    root: bytes
    hashes: NDArray[np.uint8]
    norm2: F64
    largest: F32
    nonfinite: I64
    zeros: I64
    sketch: F32


@dataclass(frozen=True, eq=False)
class ChangeTable(_Table):
    """How an expert differs from its base in one tensor, in float32: `expert - base`.

    norm2, l1   (B,) float64       squared 2-norm and 1-norm of the change
    with_base   (B,) float64       inner product of base and change
    largest     (B,) float32       largest magnitude of the change
    nonfinite   (B,) int64         elements where the change is not finite
    histogram   (32768,) int64     elements of the tensor by the upper 15 bits of the change's magnitude:
                                   bucket `m` begins at the float32 with the bits `m << 16`
    """

    kind: ClassVar = "change"

    name: str
    block: int
    norm2: F64
    l1: F64
    with_base: F64
    largest: F32
    nonfinite: I64
    histogram: I64


@dataclass(frozen=True, eq=False)
class GramTable(_Table):
    """Inner products among the changes of K experts of one base, ordered by their content roots.

    blocks  (B, K(K+1)/2) float64  upper triangles, row by row
    total   (K+1, K+1) float64     of the whole tensor with the base in front, as `inner.gram_of_rows` gives
    """

    kind: ClassVar = "gram"

    name: str
    block: int
    blocks: F64
    total: F64

    def square(self, members: I64) -> F64:
        """(B, k, k) of the experts with these numbers."""
        return self.blocks[:, self._places()[members[:, None], members]]

    def ordered(self, order: I64) -> GramTable:
        """The same with the experts in another order: first the one that has number `order[0]` here."""
        rows, columns = np.triu_indices(len(order))
        whole = np.array([0, *(1 + order)], np.int64)
        return dataclasses.replace(
            self,
            blocks=self.blocks[:, self._places()[order[rows], order[columns]]],
            total=self.total[whole[:, None], whole],
        )

    def _places(self) -> I64:
        """(K, K) the column of `blocks` of each pair."""
        count = len(self.total) - 1
        places = np.zeros((count, count), np.int64)
        rows, columns = np.triu_indices(count)
        places[rows, columns] = places[columns, rows] = np.arange(len(rows))
        return places


@dataclass(frozen=True, eq=False)
class SampleTable(_Table):
    """An estimate from one page of each block: `norm2` (B,) float64 of the change."""

    kind: ClassVar = "sampled"

    name: str
    block: int
    norm2: F64


def _packed(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    data = value.tobytes()
    # Counts shrink to nothing, hashes and sketches not at all: those are read as they lie.
    deflated = zlib.compress(data, 1)
    small = len(deflated) < _WORTH_IT * len(data)
    return [value.dtype.str, value.shape, small, deflated if small else data]


def _unpacked(value: Any) -> Any:
    match value:
        case [str(dtype), [*shape], bool(small), bytes(data)]:
            return np.frombuffer(zlib.decompress(data) if small else data, dtype).reshape(shape)
        case list():
            return tuple(value)
    return value
