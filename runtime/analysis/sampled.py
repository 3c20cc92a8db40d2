"""Estimates how much experts change from one page of each block: less than one byte in a hundred is read.

It is for models that are merged once, where measuring them would read more than the merge saves. Estimates
say where to read first; they bound nothing, and without hashes no equal blocks are found.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fusec.compiler.reads.columns import F64
from fusec.compiler.reads.grid import BLOCK, block_count
from fusec.runtime.analysis.columns_store import ColumnSet, ColumnsStore, weights_stamp
from fusec.runtime.analysis.family import sample_key
from fusec.runtime.analysis.members import measurable
from fusec.runtime.analysis.mixing import mixed
from fusec.runtime.analysis.tables import SampleTable
from fusec.runtime.kernel import RunError
from fusec.runtime.kernels.merge.changes import Source, Stored
from fusec.runtime.kernels.merge.codec import STORED, decode
from fusec.runtime.kernels.merge.match import Identical, Job, Merge, match_tensors
from fusec.runtime.positioned import byte_view
from fusec.runtime.ranges import RangeFile, open_file

PAGE = 4096
_PIECE = 1 << 20
_SEED = 0x7361_6D70_6C65


@dataclass(frozen=True)
class Sampling:
    """Bytes that were read, those of them that came of experts, and the bytes of weights they stand for."""

    read: int
    of_experts: int
    of: int


def sample(
    store: ColumnsStore,
    models: Sequence[Path],
    base: Path,
    *,
    keep: Sequence[str] = (),
    block: int = BLOCK,
    at_most: int | None = None,
) -> Sampling:
    """Writes estimated norms of the changes of `models`, full models or stored task vectors, to the catalog.

    Tensors that are not merged are read whole, to see that they are the base's. Raises RunError where they
    are not, where the models do not fit the base, and before any read where more than `at_most` bytes of
    the models would be read.
    """
    members = [measurable(folder) for folder in (base, *models)]
    jobs = match_tensors(members[0].stored, [one.content for one in members[1:]], keep=keep)
    of_experts = sum(_bytes_of_experts(job, block) for job in jobs)
    if at_most is not None and of_experts > at_most:
        raise RunError(
            f"FUSE302: a sample of the experts takes {of_experts} bytes, the budget allows {at_most}",
            hint="raise `expert_reads`, or analyse the experts once with `fusec catalog analyze`",
        )
    keys = [sample_key(one.folder) for one in members]
    tables: list[dict[str, bytes]] = [{} for _ in models]
    with ExitStack() as stack:
        reader = _Reader(stack)
        for job in jobs:
            if isinstance(job, Identical):
                reader.require_equal(job)
            if not isinstance(job, Merge):
                continue
            own = _sampled_in(job)
            for expert, norm2 in zip(own, reader.norms(job.base, list(own.values()), block), strict=True):
                tables[expert][job.target.name] = SampleTable(job.target.name, block, norm2).encode()
    for one, key in zip(members, keys, strict=True):
        store.remember(one.folder, weights_stamp(one.folder), key, "sampled")
    sets = [ColumnSet("sampled", keys[0], (key,), block) for key in keys[1:]]
    store.add(zip(sets, tables, strict=True))
    return Sampling(reader.bytes, of_experts, sum(one.stored.bytes for one in members))


def _sampled_in(job: Merge) -> dict[int, Source | Stored]:
    return {k: change for k, change in enumerate(job.experts) if isinstance(change, Source | Stored)}


def _bytes_of_experts(job: Job, block: int) -> int:
    if isinstance(job, Identical):
        return sum(expert.tensor.bytes for expert in job.experts)
    if not isinstance(job, Merge):
        return 0
    elements, found = job.base.tensor.elements, 0
    for change in _sampled_in(job).values():
        source = change.change if isinstance(change, Stored) else change
        for number in range(block_count(elements, block)):
            first, last = page_of(source, number * block, min((number + 1) * block, elements), number)
            found += (last - first) * STORED[source.tensor.dtype].itemsize
    return found


class _Reader:
    def __init__(self, stack: ExitStack) -> None:
        self.bytes = 0
        self._stack = stack
        self._files: dict[Path, RangeFile] = {}

    def norms(self, base: Source, changes: Sequence[Source | Stored], block: int) -> F64:
        """(K, B) estimates: the mean square over a page of each block, times the elements of the block."""
        elements = base.tensor.elements
        norm2: F64 = np.zeros((len(changes), block_count(elements, block)))
        for number in range(norm2.shape[1]):
            start, stop = number * block, min((number + 1) * block, elements)
            # Files of one layout have the same page here, and the base's is read once.
            ours: dict[tuple[int, int], F64] = {}
            for expert, change in enumerate(changes):
                source = change.change if isinstance(change, Stored) else change
                page = page_of(source, start, stop, number)
                delta = self._values(source, *page)
                if isinstance(change, Source):
                    if page not in ours:
                        ours[page] = self._values(base, *page)
                    delta -= ours[page]
                delta[~np.isfinite(delta)] = 0
                norm2[expert, number] = np.add.reduce(delta * delta) * ((stop - start) / len(delta))
        return norm2

    def require_equal(self, job: Identical) -> None:
        """RunError for an expert that holds something else than the base."""
        for expert in job.experts:
            for at in range(0, job.base.tensor.bytes, _PIECE):
                count = min(_PIECE, job.base.tensor.bytes - at)
                ours, theirs = (self._raw(source, at, count) for source in (job.base, expert))
                if not np.array_equal(ours, theirs):
                    raise RunError(job.difference(expert))

    def _raw(self, source: Source, offset: int, count: int) -> NDArray[np.uint8]:
        raw = np.empty(count, np.uint8)
        name = f"tensor `{source.tensor.name}`"
        self._file(source.path).read_into(raw.data, source.tensor.start + offset, name)
        self.bytes += count
        return raw

    def _values(self, source: Source, start: int, stop: int) -> F64:
        dtype = source.tensor.dtype
        stored, values = np.empty(stop - start, STORED[dtype]), np.empty(stop - start, np.float32)
        offset = source.tensor.start + start * stored.itemsize
        self._file(source.path).read_into(byte_view(stored), offset, f"tensor `{source.tensor.name}`")
        self.bytes += stored.nbytes
        decode(stored, dtype, values)
        return values.astype(np.float64)

    def _file(self, path: Path) -> RangeFile:
        if path not in self._files:
            self._files[path] = self._stack.enter_context(open_file(path, exact=True))
        return self._files[path]


def page_of(source: Source, start: int, stop: int, number: int) -> tuple[int, int]:
    """The flat indices of one page of the file inside block `number`, its beginning where none fits.

    Which page follows from the elements of the tensor and the number of the block.
    """
    itemsize = STORED[source.tensor.dtype].itemsize
    begin, end = source.tensor.start + start * itemsize, source.tensor.start + stop * itemsize
    first, last = -(-begin // PAGE), end // PAGE
    if last <= first:
        return start, min(stop, start + PAGE // itemsize)
    random = mixed(mixed(np.array([source.tensor.elements ^ _SEED], np.uint64)) + np.uint64(number))
    page = (first + int(random[0]) % (last - first)) * PAGE
    # A tensor that does not begin at a multiple of its item size shares an element with the next page.
    return -(-(page - source.tensor.start) // itemsize), (page + PAGE - source.tensor.start) // itemsize
