"""What the catalog knows about a base and its experts, as a merge is planned with it; reads no weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fusec.compiler.reads.columns import F64, Flags, TensorColumns
from fusec.compiler.reads.grid import BLOCK, block_count
from fusec.runtime.analysis.alike import equal_blocks, estimated_products
from fusec.runtime.analysis.columns_store import ColumnSet, ColumnsStore, weights_stamp
from fusec.runtime.analysis.members import Member, member
from fusec.runtime.analysis.tables import ChangeTable, GramTable, ModelTable, SampleTable
from fusec.runtime.kernel import Artifact, RunError
from fusec.runtime.kernels.merge.changes import Change, LowRank, Source, Stored, Unchanged
from fusec.runtime.kernels.merge.deltas import Delta
from fusec.runtime.kernels.merge.match import Identical, Merge, SameHead, match_tensors
from fusec.runtime.sources.safetensors_header import BITS

Tier = Literal["gram", "norms", "sketch", "sampled"]
"""What is known of the changes, best first. `gram`: all inner products. `norms`: their norms. `sketch`:
estimates of both, for models that were measured one by one. `sampled`: estimated norms, and no hashes."""


@dataclass(frozen=True)
class Missing:
    """What a catalog lacks: a sentence for each model or pair, and what would put it there."""

    what: tuple[str, ...]
    hint: str


@dataclass(frozen=True, eq=False)
class Family:
    """A base and experts, in the order in which they were given. `files` are what `TensorColumns` count.

    `checked_bytes` are those of tensors that are compared instead of merged.
    """

    files: tuple[Path, ...]
    tier: Tier
    block: int
    checked_bytes: int
    _store: ColumnsStore
    _members: tuple[Member, ...]
    _roots: tuple[str, ...]
    _jobs: tuple[Merge, ...]
    _gram: ColumnSet | None

    def __iter__(self) -> Iterator[TensorColumns]:
        """Every floating tensor of the base that is merged, by name.

        Raises RunError for a model that holds an infinity or not-a-number there.
        """
        return (self._columns(job) for job in self._jobs)

    def total(self, tensor: str) -> F64 | None:
        """(1+K, 1+K) inner products over base and changes of a whole tensor, as `inner.gram_of_rows` gives.

        None where the tier has none, or an adapter takes part.
        """
        if self._gram is None or not all(self._roots):
            return None
        at = np.array([0, *(1 + self._gram.experts.index(root) for root in self._roots[1:])], np.int64)
        whole: F64 = self._store.table(self._gram, tensor, GramTable).total[at[:, None], at]
        return whole

    def change(self, expert: int, tensor: str) -> ChangeTable | None:
        """Columns of one expert's change, its histogram of magnitudes among them; None where it has none."""
        of = ColumnSet("change", self._roots[0], (self._roots[1 + expert],), self.block)
        return self._store.table(of, tensor, ChangeTable) if tensor in self._store.tensors(of) else None

    def weights(self, expert: int, tensor: str) -> ModelTable:
        """Columns of a tensor as the expert stores it, with the hashes that its blocks have to have."""
        return self._weights(1 + expert, tensor)

    def _weights(self, model: int, tensor: str) -> ModelTable:
        return self._store.table(ColumnSet("model", self._roots[model], (), self.block), tensor, ModelTable)

    def equal_blocks(self) -> Iterator[tuple[str, Flags, NDArray[np.int32]]]:
        """Of every merged tensor: its name, and `zero` and `owner` of its columns."""
        for job in self._jobs:
            tables = [self._stored(1 + expert, change) for expert, change in enumerate(job.experts)]
            blocks = block_count(job.base.tensor.elements, self.block)
            yield job.target.name, *equal_blocks(self._stored(0, job.base), tables, job.experts, blocks)

    def hashes(self, tensor: str) -> NDArray[np.uint8] | None:
        """(K, B, 16) what the stored blocks hash to, 0 for an adapter's; None where the tier knows none."""
        if self.tier == "sampled":
            return None
        job = self._by_name[tensor]
        known = np.zeros((len(job.experts), block_count(job.base.tensor.elements, self.block), 16), np.uint8)
        for expert, change in enumerate(job.experts):
            table = self._stored(1 + expert, change)
            if table is not None:
                known[expert] = table.hashes
        return known

    def forms(self, tensor: str) -> tuple[str, ...]:
        """(K,) how the bytes of each expert are meant: weights or a change, and their dtype."""
        return tuple(_form(change) for change in self._by_name[tensor].experts)

    def base_hashes(self, tensor: str) -> NDArray[np.uint8]:
        """(B, 16) what the base's blocks hash to; not for the tier of samples."""
        return self._weights(0, self._by_name[tensor].base.tensor.name).hashes

    @cached_property
    def expert_bytes(self) -> int:
        """Bytes of the experts that a full read takes, once."""
        return self.checked_bytes + sum(_bytes_of(change) for job in self._jobs for change in job.experts)

    def base_norm(self) -> float | None:
        """The 2-norm of the base's merged tensors; None where the tier does not know it."""
        if self.tier == "sampled":
            return None
        return math.sqrt(math.fsum(self._weights(0, job.base.tensor.name).norm2.sum() for job in self._jobs))

    def dtypes(self) -> frozenset[str]:
        """What the merged tensors are stored as in the base."""
        return frozenset(job.base.tensor.dtype for job in self._jobs)

    @cached_property
    def _file_numbers(self) -> dict[Path, int]:
        return {file: number for number, file in enumerate(self.files)}

    @cached_property
    def _by_name(self) -> dict[str, Merge]:
        return {job.target.name: job for job in self._jobs}

    def _columns(self, job: Merge) -> TensorColumns:
        elements, count = job.base.tensor.elements, len(job.experts)
        blocks = block_count(elements, self.block)
        tables = [self._stored(1 + expert, change) for expert, change in enumerate(job.experts)]
        base = self._stored(0, job.base)
        zero, owner = equal_blocks(base, tables, job.experts, blocks)
        norm2, gram = self._changes(job, base, tables, blocks)
        norm2[zero] = 0
        files = np.full(count, -1, np.int64)
        start, fixed = np.zeros(count, np.int64), np.zeros(count, np.int64)
        itemsize = np.zeros(count, np.int64)
        for expert, change in enumerate(job.experts):
            if self._members[1 + expert].is_adapter:
                fixed[expert] = _factor_bytes(change)
            elif isinstance(change, Source | Stored):
                source = change.change if isinstance(change, Stored) else change
                files[expert] = self._file_numbers[source.path]
                start[expert], itemsize[expert] = source.tensor.start, BITS[source.tensor.dtype] // 8
        exact = self.tier in ("gram", "norms")
        return TensorColumns(
            job.target.name,
            elements,
            self.block,
            files,
            start,
            itemsize,
            zero,
            owner,
            norm2,
            gram,
            exact,
            fixed,
        )

    def _stored(self, model: int, change: Change) -> ModelTable | None:
        """The columns of what a model stores, None where they are not needed or not known."""
        if self.tier == "sampled" or self._members[model].is_adapter:
            return None
        source = change.change if isinstance(change, Stored) else change
        if not isinstance(source, Source):
            return None
        table = self._weights(model, source.tensor.name)
        if table.nonfinite.any():
            block = int(np.flatnonzero(table.nonfinite)[0])
            count = int(table.nonfinite.sum())
            raise RunError(
                f"{source} is not finite in {count} places, the first of them in block {block}",
                hint="the model is damaged; keep: leaves the tensor to the base",
            )
        return table

    def _changes(
        self, job: Merge, base: ModelTable | None, tables: Sequence[ModelTable | None], blocks: int
    ) -> tuple[F64, F64 | None]:
        """(K, B) squared norms and, where the tier has them, (B, K, K) inner products."""
        count = len(tables)
        norm2: F64 = np.zeros((count, blocks))
        known = [expert for expert in range(count) if not isinstance(job.experts[expert], Unchanged)]
        known = [expert for expert in known if not self._members[1 + expert].is_adapter]
        name = job.target.name
        match self.tier:
            case "gram":
                assert self._gram
                table = self._store.table(self._gram, name, GramTable)
                places = [self._gram.experts.index(self._roots[1 + expert]) for expert in known]
                at = np.array(known, np.int64)
                gram: F64 = np.zeros((blocks, count, count))
                gram[:, at[:, None], at] = table.square(np.array(places, np.int64))
                return gram.diagonal(axis1=1, axis2=2).T.copy(), gram
            case "norms":
                for expert in known:
                    of = ColumnSet("change", self._roots[0], (self._roots[1 + expert],), self.block)
                    norm2[expert] = self._store.table(of, name, ChangeTable).norm2
                return norm2, None
            case "sketch":
                assert base
                gram = estimated_products(job.experts, base, tables, blocks)
                return gram.diagonal(axis1=1, axis2=2).T.copy(), gram
            case "sampled":
                for expert in known:
                    of = ColumnSet("sampled", self._roots[0], (self._roots[1 + expert],), self.block)
                    norm2[expert] = self._store.table(of, name, SampleTable).norm2
                return norm2, None


def family_columns(
    store: ColumnsStore,
    base: Artifact,
    experts: Sequence[Artifact],
    tier: Tier,
    *,
    keep: Sequence[str] = (),
    block: int = BLOCK,
) -> Family | Missing:
    """The columns that a merge of these artifacts is planned with, or what the catalog lacks for them.

    Tensors that match a `keep` pattern are left out. Raises RunError where the experts do not fit the base.
    Adapters need no columns: their factors are read whole (`fixed`), and their changes are not estimated (0).
    """
    members = tuple(member(artifact.path) for artifact in (base, *experts))
    contents = [one.content for one in members]
    assert not isinstance(contents[0], Delta)
    jobs = match_tensors(contents[0], contents[1:], keep=keep)
    files = {file: None for one in members[1:] if one.headers for file in _files(one)}
    merges = tuple(job for job in jobs if isinstance(job, Merge))
    found = _roots(store, members, tier, block, merges)
    if isinstance(found, Missing):
        return found
    roots, gram = found
    compared = [job for job in jobs if isinstance(job, Identical)]
    if tier != "sampled":
        _require_same_heads(store, members, roots, block, [job for job in jobs if isinstance(job, SameHead)])
        _require_equal(store, members, roots, block, compared)
    elif any(isinstance(job, SameHead) for job in jobs):
        check = next(job for job in jobs if isinstance(job, SameHead))
        raise RunError(
            f"{check.head} has to repeat the embedding, which samples do not tell",
            hint="analyse the expert in full with `fusec catalog analyze`",
        )
    opaque = sum(expert.tensor.bytes for job in compared for expert in job.experts)
    return Family(tuple(files), tier, block, opaque, store, members, roots, merges, gram)


def _require_equal(
    store: ColumnsStore,
    members: Sequence[Member],
    roots: Sequence[str],
    block: int,
    jobs: Sequence[Identical],
) -> None:
    """RunError for a tensor that is not merged and that an expert holds otherwise than the base."""
    for job in jobs:
        ours = _hashes_of(store, members, roots, block, job.base)
        for expert in job.experts:
            if not np.array_equal(ours, _hashes_of(store, members, roots, block, expert)):
                raise RunError(job.difference(expert))


def _hashes_of(
    store: ColumnsStore, members: Sequence[Member], roots: Sequence[str], block: int, source: Source
) -> NDArray[np.uint8]:
    """(B, 16) of what a model stores."""
    number = next(n for n, one in enumerate(members) if one.folder == source.path.parent)
    return store.table(ColumnSet("model", roots[number], (), block), source.tensor.name, ModelTable).hashes


def _require_same_heads(
    store: ColumnsStore,
    members: Sequence[Member],
    roots: Sequence[str],
    block: int,
    checks: Sequence[SameHead],
) -> None:
    """RunError where the head that an expert of a tied base stores is not its embedding."""
    for check in checks:
        head, embedding = (
            _hashes_of(store, members, roots, block, one) for one in (check.head, check.embedding)
        )
        if check.head.tensor.dtype != check.embedding.tensor.dtype or not np.array_equal(head, embedding):
            raise RunError(
                f"{check.head} differs from `{check.embedding.tensor.name}`, but the base ties the two"
            )


def sample_key(folder: Path) -> str:
    """What stands for the content of a model of which only samples were read."""
    return f"unread:{weights_stamp(folder)}"


def _roots(
    store: ColumnsStore, members: Sequence[Member], tier: Tier, block: int, merges: Sequence[Merge] = ()
) -> tuple[tuple[str, ...], ColumnSet | None] | Missing:
    """What stands for each member (nothing for an adapter), and the set with the inner products.

    A set that lacks one of the tensors to merge was made with a `keep` that this merge has not.
    """

    def lacks(of: ColumnSet, expert: int | None = None) -> bool:
        own = (j for j in merges if expert is None or not isinstance(j.experts[expert], Unchanged))
        return store.lacks(of, (job.target.name for job in own))

    base, experts = members[0], [one for one in members[1:] if not one.is_adapter]
    command = f"fusec catalog analyze {' '.join(str(e.folder) for e in experts)} --base {base.folder}"
    if tier == "sampled":
        roots = tuple("" if one.is_adapter else sample_key(one.folder) for one in members)
        pairs = {
            k: ColumnSet("sampled", roots[0], (root,), block) for k, root in enumerate(roots[1:]) if root
        }
        if any(lacks(pair, k) for k, pair in pairs.items()):
            return Missing((f"no samples of all experts of {base.folder}",), f"{command} --sampled")
        return roots, None
    found = [None if one.is_adapter else store.root_of(one.folder) for one in members]
    known = [root and store.has(ColumnSet("model", root, (), block)) for root in found]
    unread = [one.folder for one, ok in zip(members, known, strict=True) if not ok and not one.is_adapter]
    if unread:
        return Missing(tuple(f"{folder} was not analysed, or changed since" for folder in unread), command)
    roots = tuple(root or "" for root in found)
    own = [root for root in roots[1:] if root]
    if tier == "norms":
        pairs = {k: ColumnSet("change", roots[0], (root,), block) for k, root in enumerate(roots[1:]) if root}
        lacking = [members[1 + k].folder for k, pair in pairs.items() if lacks(pair, k)]
        if lacking:
            what = tuple(f"{folder} was not compared with {base.folder}" for folder in lacking)
            return Missing(what, command)
    if tier == "gram":
        for of in store.sets("gram", roots[0]):
            if of.block == block and set(own) <= set(of.experts) and not lacks(of):
                return roots, of
        return Missing(
            (f"the experts of {base.folder} were not compared with each other",), f"{command} --gram"
        )
    return roots, None


def _form(change: Change) -> str:
    match change:
        case Source(_, tensor):
            return f"weights {tensor.dtype}"
        case Stored(source):
            return f"change {source.tensor.dtype}"
    return ""


def _bytes_of(change: Change) -> int:
    """What a full read of a change takes."""
    return change.change.tensor.bytes if isinstance(change, Stored) else _factor_bytes(change)


def _factor_bytes(change: Change) -> int:
    match change:
        case Source(_, tensor):
            return tensor.bytes
        case LowRank(_, product, over):
            factors = product.left.tensor.bytes + product.right.tensor.bytes
            return factors + (over.tensor.bytes if over else 0)
    return 0


def _files(of: Member) -> list[Path]:
    return [of.folder / name for name in sorted(of.stored.files)]
