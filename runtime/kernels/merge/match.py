"""Lines up the tensors of a base and its experts, from headers alone: what is merged, copied or compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from fusec.compiler.facts import EMBEDDINGS, TIED_HEADS
from fusec.runtime.hf_folder import PlannedTensor, read_config
from fusec.runtime.kernel import RunError
from fusec.runtime.kernels.merge.changes import Change, Source, Stored, Unchanged
from fusec.runtime.kernels.merge.codec import STORED
from fusec.runtime.kernels.merge.deltas import Delta, require_fit, without
from fusec.runtime.kernels.merge.reads import Reads
from fusec.runtime.sources.safetensors_header import ModelHeaders, TensorInfo, read_model_headers

HEAD = "lm_head.weight"


@dataclass(frozen=True)
class Copy:
    """The base's bytes, unread."""

    target: PlannedTensor
    base: Source


@dataclass(frozen=True)
class Identical:
    """The base's bytes, after every expert turned out to hold the same; without `written` only the check."""

    target: PlannedTensor
    base: Source
    experts: tuple[Source, ...]
    written: bool = True

    def difference(self, expert: Source) -> str:
        """What to say of an expert that holds something else."""
        return f"{expert} differs from the base's, and {self.target.dtype} is not merged"


@dataclass(frozen=True)
class Merge:
    """A floating tensor that the method computes; experts in canonical order. Without `reads` all is read."""

    target: PlannedTensor
    base: Source
    experts: tuple[Change, ...]
    reads: Reads | None = None
    earlier: Source | None = None


@dataclass(frozen=True)
class SameHead:
    """An expert of a tied base stores a head: it has to repeat the expert's embedding."""

    head: Source
    embedding: Source


Job = Copy | Identical | Merge | SameHead


def match_tensors(
    base: ModelHeaders,
    experts: Sequence[ModelHeaders | Delta],
    *,
    keep: Sequence[str] = (),
    dtype: str | None = None,
    reads: Mapping[str, Reads] | None = None,
) -> tuple[Job, ...]:
    """The work of a merge, checks first, then one job per tensor of the base by name.

    Tensors that match a `keep` pattern come from the base whatever the experts hold. `dtype` is the
    safetensors dtype of merged tensors (None: the base's). `reads` is what a plan reads of each merged
    tensor. Raises RunError naming tensor and model.
    """
    for pattern in keep:
        if not any(fnmatchcase(name, pattern) for name in base.tensors):
            raise RunError(f"keep: {pattern!r} matches no tensor of {base.folder}")
    kept = {name for name in base.tensors if any(fnmatchcase(name, p) for p in keep)}
    checks: list[SameHead] = []
    others: list[ModelHeaders | Delta] = []
    for expert in experts:
        if isinstance(expert, Delta):
            fitting, found = _fitting(base, without(expert, keep))
            others.append(fitting)
        else:
            found = _head_checks(base, expert, keep)
            others.append(expert)
        checks += found
    jobs = tuple(_job(name, base, others, name in kept, dtype) for name in base.tensors)
    if reads is None:
        return (*checks, *jobs)
    # Who plans compares what has to be equal, by its hashes, so it is not read again.
    headers = cache(read_model_headers)
    return tuple(_planned(job, reads, headers) for job in jobs)


def _planned(job: Job, reads: Mapping[str, Reads], headers: Callable[[Path], ModelHeaders]) -> Job:
    """A job with what a plan reads for it."""
    if isinstance(job, Identical):
        return Copy(job.target, job.base)
    if not isinstance(job, Merge):
        return job
    planned = reads[job.target.name]
    if planned.earlier is None:
        return replace(job, reads=planned)
    made = headers(planned.earlier)
    found = made.tensors.get(job.target.name)
    if found is None or (found.dtype, found.shape) != (job.target.dtype, job.target.shape):
        return replace(job, reads=replace(planned, made=None))
    return replace(job, reads=planned, earlier=Source(made.path_of(found.name), found))


def _job(
    name: str, base: ModelHeaders, experts: Sequence[ModelHeaders | Delta], kept: bool, dtype: str | None
) -> Job:
    info = base.tensors[name]
    source = Source(base.path_of(name), info)
    as_stored = PlannedTensor(name, info.dtype, info.shape)
    if kept:
        return Copy(as_stored, source)
    others = tuple(_counterpart(name, info, expert) for expert in experts)
    floating = info.dtype in STORED
    sources = tuple(other for other in others if isinstance(other, Source))
    for other in sources:
        if (other.tensor.dtype in STORED) != floating or (not floating and other.tensor.dtype != info.dtype):
            raise RunError(f"{other} is {other.tensor.dtype}, but {info.dtype} in {base.folder}")
    if not floating:
        return Identical(as_stored, source, sources)
    return Merge(PlannedTensor(name, dtype or info.dtype, info.shape), source, others)


def _fitting(base: ModelHeaders, delta: Delta) -> tuple[Delta, list[SameHead]]:
    """A delta as this base takes it, whether its own stores a tied head or not, and what to check first."""
    tied, changes = _is_tied(base), dict(delta.changes)
    checks: list[SameHead] = []
    embeddings = [name for name in changes if name.endswith(EMBEDDINGS)]
    head, embedding = changes.get(HEAD), changes[embeddings[0]] if len(embeddings) == 1 else None
    if tied and isinstance(embedding, Stored):
        if isinstance(head, Stored):
            checks.append(SameHead(head.change, embedding.change))
        if HEAD not in base.tensors:
            changes.pop(HEAD, None)
        elif head is None:
            changes[HEAD] = embedding
    shapes = {name: delta.shapes[name] for name in changes if name in delta.shapes}
    fitting = Delta(delta.folder, changes, shapes, delta.adapter)
    require_fit(fitting, base, tied)
    return fitting, checks


def _counterpart(name: str, info: TensorInfo, expert: ModelHeaders | Delta) -> Change:
    if isinstance(expert, Delta):
        return expert.changes.get(name, Unchanged())
    found = expert.tensors.get(name)
    if found is None and name == HEAD:
        # A tied expert uses its embedding as its head.
        found = _embedding(expert)
    if found is None:
        raise RunError(
            f"{expert.folder} has no tensor `{name}`", hint="experts must share the base's architecture"
        )
    if found.shape != info.shape:
        raise RunError(
            f"{expert.path_of(found.name)}: tensor `{found.name}` has shape {list(found.shape)}, "
            f"but {list(info.shape)} in the base",
            hint="experts must share the base's architecture and vocabulary",
        )
    return Source(expert.path_of(found.name), found)


def _head_checks(base: ModelHeaders, expert: ModelHeaders, keep: Sequence[str]) -> list[SameHead]:
    extra = {name for name in expert.tensors if name not in base.tensors}
    # What `keep` names is the base's, also where the base has nothing.
    extra = {name for name in extra if not any(fnmatchcase(name, p) for p in keep)}
    checks = []
    if HEAD in expert.tensors and _is_tied(base) and (HEAD in extra or HEAD in base.tensors):
        embedding = _embedding(expert)
        if embedding is not None:
            head = Source(expert.path_of(HEAD), expert.tensors[HEAD])
            checks.append(SameHead(head, Source(expert.path_of(embedding.name), embedding)))
            extra.discard(HEAD)
    if extra:
        name = min(extra)
        more = (
            f" and {len(extra) - 1} more that are not in the base"
            if len(extra) > 1
            else ", which is not in the base"
        )
        raise RunError(
            f"{expert.path_of(name)} holds tensor `{name}`{more}", hint="keep: leaves tensors to the base"
        )
    return checks


def _is_tied(model: ModelHeaders) -> bool:
    without_head = TIED_HEADS.isdisjoint(model.tensors)
    return without_head or read_config(model.folder).get("tie_word_embeddings") is True


def _embedding(model: ModelHeaders) -> TensorInfo | None:
    found = [info for name, info in model.tensors.items() if name.endswith(EMBEDDINGS)]
    return found[0] if len(found) == 1 else None
