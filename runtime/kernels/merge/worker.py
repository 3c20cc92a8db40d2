"""What one thread does: merges, copies and comparisons, with buffers that are used again."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusec.runtime.hf_folder import ModelWriter
from fusec.runtime.kernel import RunError
from fusec.runtime.kernels.merge.ahead import announce
from fusec.runtime.kernels.merge.changes import LowRank, Source
from fusec.runtime.kernels.merge.codec import F32, STORED, decode, encode, first_nonfinite, fits, is_finite
from fusec.runtime.kernels.merge.match import Copy, Identical, Merge, SameHead
from fusec.runtime.kernels.merge.memory import Memory
from fusec.runtime.kernels.merge.operator import Operator, Operators, Tile
from fusec.runtime.kernels.merge.products import Factors
from fusec.runtime.kernels.merge.reader import Reader
from fusec.runtime.kernels.merge.reads import Reads
from fusec.runtime.kernels.merge.scan import Scan
from fusec.runtime.kernels.merge.seals import Seals
from fusec.runtime.kernels.merge.shelf import Shelf
from fusec.runtime.kernels.merge.tiles import WORKING_SET, TensorView, TileView
from fusec.runtime.kernels.merge.units import Unit
from fusec.runtime.sources.adapter import Factor

_COMPUTED, _BASE, _EARLIER = range(3)
_PIECE = WORKING_SET // 4  # elements of a factor that are read at a time

# An overflow on the way shows in the result, where it is an error.
_IN_THE_RESULT: dict[str, Any] = {"over": "ignore", "invalid": "ignore"}


class Worker:
    """The buffers and counters of one thread at a time.

    `what` is how messages call a tensor of the result; `identities` are those of the experts.
    """

    def __init__(
        self,
        operators: Operators,
        reader: Reader,
        writer: ModelWriter,
        shelf: Shelf,
        what: str,
        identities: Sequence[str],
        scan: Scan | None = None,
    ) -> None:
        self.operators, self.reader, self.writer = operators, reader, writer
        self.shelf, self.what, self.identities, self.scan = shelf, what, identities, scan
        self.base_bytes = self.expert_bytes = self.reused = self.written = 0
        self.based: set[type[Operator]] = set()
        self.memory = Memory() if scan is None else scan.memory
        self._seals = Seals()

    def do(self, unit: Unit) -> None:
        try:
            self._do(unit)
        finally:
            self.reader.forget()

    def _do(self, unit: Unit) -> None:
        match unit.job:
            case Merge() as job:
                for _ in self.steps(job, unit):
                    pass
            case Identical() as job:
                for expert in job.experts:
                    ours, theirs = self._require_equal(job.base, expert, job.difference(expert))
                    self.base_bytes += ours
                    self.expert_bytes += theirs
                if job.written:
                    self._copy(job)
            case Copy() as job:
                self._copy(job)
            case SameHead(head, embedding):
                problem = f"{head} differs from `{embedding.tensor.name}`, but the base ties the two"
                self.expert_bytes += sum(self._require_equal(embedding, head, problem))

    def announce(self, tensor: TensorView, start: int, stop: int, *, more: bool) -> None:
        """What is read of a tensor next, between two flat indices; told once by all who share a scan.

        With `more` it goes on from what was announced before.
        """
        if self.scan is None or self.scan.is_news(stop):
            job = tensor.job
            base = type(self.operators(job.target.name)) in self.based
            experts = range(len(job.experts)) if tensor.experts is None else tensor.experts
            announce(self.reader, job, start, stop, experts=experts, base=base, more=more, again=tensor.again)

    def count_unused(self, bases: Container[Path]) -> None:
        """Counts what came of files and no read was given; `bases` are those of the base."""
        for path, count in self.reader.unused():
            if path in bases:
                self.base_bytes += count
            else:
                self.expert_bytes += count

    def steps(self, job: Merge, unit: Unit) -> Iterator[int]:
        """Merges a unit; stops where the tensor is prepared, and before each tile, and gives its start."""
        operator = self.operators(job.target.name)
        try:
            parts = self._parts(job, unit, operator)
            computes = any(origin == _COMPUTED for _, _, origin in parts)
            # What an operator finds out about a tensor, nobody needs where all of it is there.
            merge = self._prepared(job, operator) if computes else None
            yield unit.start
            for begin, end, origin in parts:
                if merge is None or origin != _COMPUTED:
                    self._copy_part(job, begin, end, origin)
                    continue
                for tile in unit.tiles(TensorView(job, self, begin, end), operator):
                    yield tile.start
                    self._merge_tile(job, merge, tile)
        finally:
            self.shelf.done(job.target.name)

    def _prepared(self, job: Merge, operator: Operator) -> Callable[[Tile], F32]:
        def start() -> Callable[[Tile], F32]:
            return operator.start(TensorView(job, self, again=True))

        with np.errstate(**_IN_THE_RESULT):
            return self.shelf.get(job.target.name, "start", start, helper=self)

    def _parts(self, job: Merge, unit: Unit, operator: Operator) -> list[tuple[int, int, int]]:
        """The parts of a unit, start and stop, and where each comes from."""
        whole = [(unit.start, unit.stop, _COMPUTED)]
        if job.reads is None:
            return whole
        runs = job.reads.runs(unit.start, unit.stop, self._origins(job, job.reads))
        parts = [(begin, end, int(origin)) for begin, end, origin in runs]
        if operator.grain in ("rows", "tensor") and any(origin == _COMPUTED for _, _, origin in parts):
            return whole  # a row may end within a block
        return parts

    def _copy_part(self, job: Merge, begin: int, end: int, origin: int) -> None:
        """Elements that lie in the base or in an earlier result as they are merged."""
        source = job.earlier if origin == _EARLIER and job.earlier is not None else job.base
        size = STORED[job.target.dtype].itemsize
        start, count, offset = source.tensor.start + begin * size, (end - begin) * size, begin * size
        came = self.reader.copy(source, start, count, self.writer, job.target.name, offset)
        if origin == _BASE:
            self.base_bytes += came
        else:
            self.reused += came
        self.written += count

    def _origins(self, job: Merge, reads: Reads) -> NDArray[np.uint8]:
        """(B,) where each block of the result comes from."""
        origins = np.full(reads.read.shape[1], _COMPUTED, np.uint8)
        if reads.resting and job.target.dtype == job.base.tensor.dtype:
            origins[~np.any(reads.taken, axis=0)] = _BASE
        if reads.made is not None and job.earlier is not None:
            origins[reads.made & (origins == _COMPUTED)] = _EARLIER
        return origins

    def _merge_tile(self, job: Merge, merge: Callable[[Tile], F32], tile: TileView) -> None:
        target, dtype = job.target, STORED[job.target.dtype]
        shared = nullcontext() if self.scan is None else self.scan.tile(tile.start, tile.size)
        with np.errstate(**_IN_THE_RESULT), shared:
            values = merge(tile)
        out = self.memory.raw(values.size, dtype)
        finite = fits(values, target.dtype)
        encode(values, target.dtype, out, finite=finite)
        if not finite:
            where = tile.start + (first_nonfinite(out, target.dtype) or 0)
            raise RunError(
                f"{self.what} `{target.name}` overflows {target.dtype} at flat index {where}",
                hint="use smaller weights or a wider dtype",
            )
        self.writer.write(target.name, tile.start * dtype.itemsize, out)
        self.written += out.nbytes

    def _copy(self, job: Copy | Identical) -> None:
        self._copy_range(job, job.base.tensor.start, job.base.tensor.bytes, 0)

    def _copy_range(self, job: Copy | Identical | Merge, start: int, count: int, offset: int) -> None:
        name = job.target.name
        self.base_bytes += self.reader.copy(job.base, start, count, self.writer, name, offset)
        self.written += count

    def _require_equal(self, a: Source, b: Source, problem: str) -> tuple[int, int]:
        """The bytes that were read of both. RunError where they differ."""
        came = [0, 0]
        if a.tensor.dtype != b.tensor.dtype or a.tensor.shape != b.tensor.shape:
            raise RunError(problem)
        for at in range(0, a.tensor.bytes, WORKING_SET):
            count = min(WORKING_SET, a.tensor.bytes - at)
            left, right = np.empty(count, np.uint8), np.empty(count, np.uint8)
            came[0] += self.reader.read(a, a.tensor.start + at, left)
            came[1] += self.reader.read(b, b.tensor.start + at, right)
            if not np.array_equal(left, right):
                raise RunError(problem)
        return came[0], came[1]

    def look(
        self, source: Source, start: int, out: F32, sealed: tuple[Reads, int] | None = None
    ) -> tuple[F32, int]:
        """`out.size` elements from flat index `start` on, decoded, and the bytes that came for that.

        They are in `out`, or where all who share a scan look at them. `sealed` has the plan of an expert's
        reads and its number, where the bytes must be those of the plan.
        """
        if self.scan is not None and self.scan.open:
            return self.scan.look(source, lambda raw, to: self._fetch(source, start, raw, to, sealed))
        return out, self._fetch(source, start, self._raw_for(source, out), out, sealed)[1]

    def _raw_for(self, source: Source, out: F32) -> NDArray:
        dtype = source.tensor.dtype
        return out if dtype == "F32" else self.memory.raw(out.size, STORED[dtype])

    def _fetch(
        self, source: Source, start: int, space: NDArray, out: F32, sealed: tuple[Reads, int] | None = None
    ) -> tuple[NDArray, int]:
        """Decodes into `out`; gives what is stored, in `space` or where it lies, and how many bytes came."""
        dtype = source.tensor.dtype
        offset = source.tensor.start + start * space.itemsize
        stored, came = self.reader.look(source, offset, space)
        if sealed is not None:
            self._seals.take(*sealed, source, start, stored)
        if stored is not out:
            decode(stored, dtype, out)
        if not is_finite(stored, dtype):
            at = start + (first_nonfinite(stored, dtype) or 0)
            raise RunError(f"{source} is not finite at flat index {at}", hint="the model is damaged")
        return stored, came

    def factors(self, job: Merge, expert: int, change: LowRank) -> Factors:
        """The factors of a low-rank change, read by whichever worker needs them first."""

        def load() -> Factors:
            left, right = (self._factor(change.path, factor) for factor in (product.left, product.right))
            return Factors(left, right, np.float32(product.scale))

        product = change.product
        return self.shelf.get(job.target.name, expert, load)

    def _factor(self, path: Path, factor: Factor) -> F32:
        source, values = Source(path, factor.tensor), np.empty(factor.tensor.elements, np.float32)
        for at in range(0, values.size, _PIECE):
            piece = values[at : at + _PIECE]
            self.expert_bytes += self._fetch(source, at, self._raw_for(source, piece), piece)[1]
        matrix = values.reshape(factor.tensor.shape)
        return matrix if factor.across else np.ascontiguousarray(matrix.T)
