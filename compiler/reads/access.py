"""The access set: which blocks of which experts a merge reads, to be stored, compared and replayed.

The set is a bit per (expert, block), compressed. Pairs that hold the same bytes as another expert's block
are merged without a read of their own; the few of them are listed with whose bytes they take.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from fusec.compiler.reads.certificate import Certificate
from fusec.compiler.reads.columns import I64, Flags
from fusec.compiler.reads.layout import Layout, blocks_before, lay_out

VERSION: Literal[1] = 1
FIXED_POINT = 1 << 40
"""Coefficients are stored in units of 2^-40, so that a digest does not hang on their last bits."""


class TensorPlaces(msgspec.Struct, frozen=True, array_like=True):
    """One tensor of K experts: where each holds it (see `TensorColumns`), and each one's coefficient."""

    name: str
    elements: int
    coefficients: tuple[int, ...]
    files: tuple[int, ...]
    start: tuple[int, ...]
    itemsize: tuple[int, ...]


class AccessSet(msgspec.Struct, frozen=True):
    """What one merge reads, in bytes and blocks, and what that leaves undone.

    budget    bytes asked for; None where an error was asked for
    fixed     bytes read whatever is chosen: the factors of adapters
    logical   bytes of the blocks chosen, with `fixed`; `physical` with gaps and page margins too
    optimum   no choice within the budget has a smaller expected error, see `slack`; for blocks of more
              than 12 items with inner products that holds among the sets that were weighed
    merged    zlib: one bit per pair, experts outermost, blocks of all tensors counted through
    borrowed  zlib: pairs that take another's bytes, as `block * K + expert` (int64), then whose (int16)
    """

    version: Literal[1]
    kind: str
    block: int
    page: int
    gap: int
    experts: int
    tensors: Sequence[TensorPlaces]
    budget: int | None
    fixed: int
    logical: int
    physical: int
    optimum: float
    certificate: Certificate
    merged: bytes
    borrowed: bytes

    @property
    def slack(self) -> float:
        """How far the squared expected error may be from the least possible, as a share of the update's."""
        return slack_of(self.certificate, self.optimum)

    def sources(self) -> dict[str, NDArray[np.int16]]:
        """Per tensor (K, B): whose bytes an expert's block is merged from, -1 where it is not merged."""
        first = blocks_before([tensor.elements for tensor in self.tensors], self.block)
        merged = np.unpackbits(np.frombuffer(zlib.decompress(self.merged), np.uint8))
        pairs = self.experts * int(first[-1])
        flags = merged[:pairs].reshape(self.experts, -1).astype(bool)
        sources = np.where(flags, np.arange(self.experts, dtype=np.int16)[:, None], np.int16(-1))
        pair, owner = _unpack_borrowed(zlib.decompress(self.borrowed))
        block, expert = np.divmod(pair, self.experts)
        sources[expert, block] = owner
        return {tensor.name: sources[:, first[at] : first[at + 1]] for at, tensor in enumerate(self.tensors)}

    def reads(self) -> dict[str, Flags]:
        """Per tensor (K, B): whether the expert's own block is read from its file."""
        own = np.arange(self.experts)[:, None]
        places = {tensor.name: np.asarray(tensor.files)[:, None] >= 0 for tensor in self.tensors}
        return {name: (source == own) & places[name] for name, source in self.sources().items()}

    def all_ranges(self) -> tuple[I64, I64, I64]:
        """File, start and stop of each physical read, in order; the last of a file may reach past its end."""
        layout = layout_of(self.tensors, block=self.block, page=self.page, gap=self.gap)
        return layout.ranges(np.concatenate([flags.T for flags in self.reads().values()]))

    def ranges(self, file: int) -> Iterator[tuple[int, int]]:
        """Start and stop of each physical read of one file; `all_ranges` is quicker for many."""
        files, start, stop = self.all_ranges()
        mine = files == file
        yield from zip(start[mine].tolist(), stop[mine].tolist(), strict=True)

    @property
    def digest(self) -> str:
        """SHA-256 of what is merged: names, sizes, coefficients and sets; no places, estimates or budgets."""
        meaning = [
            VERSION,
            self.kind,
            self.block,
            self.experts,
            [(tensor.name, tensor.elements, tensor.coefficients) for tensor in self.tensors],
            zlib.decompress(self.merged),
            zlib.decompress(self.borrowed),
        ]
        return hashlib.sha256(msgspec.msgpack.encode(meaning)).hexdigest()


def slack_of(certificate: Certificate, optimum: float) -> float:
    """How far a squared expected error may be from the least possible, as a share of the update's."""
    norm2 = certificate.update**2
    return (certificate.expected**2 - optimum**2) / norm2 if norm2 else 0.0


def encode(access: AccessSet) -> bytes:
    return msgspec.msgpack.encode(access)


def decode(data: bytes) -> AccessSet:
    """The set that `encode` wrote; msgspec.ValidationError for anything else."""
    return msgspec.msgpack.decode(data, type=AccessSet)


def layout_of(tensors: Sequence[TensorPlaces], *, block: int, page: int, gap: int) -> Layout:
    files, start, itemsize = (
        np.array([getattr(tensor, column) for tensor in tensors], np.int64)
        for column in ("files", "start", "itemsize")
    )
    elements = np.array([tensor.elements for tensor in tensors], np.int64)
    return lay_out(elements, files, start, itemsize, block=block, page=page, gap=gap)


def pack_merged(merged: Flags) -> bytes:
    """(blocks, K) bool as stored."""
    return zlib.compress(np.packbits(merged.T).tobytes(), 1)


def pack_borrowed(pair: I64, owner: NDArray[np.int16]) -> bytes:
    return zlib.compress(pair.astype("<i8").tobytes() + owner.astype("<i2").tobytes(), 1)


def _unpack_borrowed(raw: bytes) -> tuple[I64, NDArray[np.int16]]:
    count = len(raw) // 10
    return np.frombuffer(raw, "<i8", count), np.frombuffer(raw, "<i2", count, count * 8)
