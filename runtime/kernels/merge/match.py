"""Lines up the tensors of a base and its experts, from headers alone: what is merged, copied or compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from fusec.runtime.hf_folder import PlannedTensor, read_config
from fusec.runtime.kernel import RunError
from fusec.runtime.kernels.merge.codec import STORED
from fusec.runtime.sources.safetensors_header import ModelHeaders, TensorInfo

HEAD = "lm_head.weight"
EMBEDDINGS = ("embed_tokens.weight", "wte.weight", "word_embeddings.weight", "embed_in.weight")


@dataclass(frozen=True)
class Source:
    """Where one tensor of one model lies."""

    path: Path
    tensor: TensorInfo

    def __str__(self) -> str:
        return f"{self.path}: tensor `{self.tensor.name}`"


@dataclass(frozen=True)
class Copy:
    """The base's bytes, unread."""

    target: PlannedTensor
    base: Source


@dataclass(frozen=True)
class Identical:
    """The base's bytes, after every expert turned out to hold the same."""

    target: PlannedTensor
    base: Source
    experts: tuple[Source, ...]


@dataclass(frozen=True)
class Merge:
    """A floating tensor that the method computes; experts in canonical order."""

    target: PlannedTensor
    base: Source
    experts: tuple[Source, ...]


@dataclass(frozen=True)
class SameHead:
    """An expert of a tied base stores a head: it has to repeat the expert's embedding."""

    head: Source
    embedding: Source


Job = Copy | Identical | Merge | SameHead


def match_tensors(
    base: ModelHeaders, experts: Sequence[ModelHeaders], *, keep: Sequence[str] = (), dtype: str | None = None
) -> tuple[Job, ...]:
    """The work of a merge, checks first, then one job per tensor of the base by name.

    Tensors that match a `keep` pattern come from the base whatever the experts hold. `dtype` is the
    safetensors dtype of merged tensors (None: the base's). Raises RunError naming tensor and model.
    """
    for pattern in keep:
        if not any(fnmatchcase(name, pattern) for name in base.tensors):
            raise RunError(f"keep: {pattern!r} matches no tensor of {base.folder}")
    kept = {name for name in base.tensors if any(fnmatchcase(name, p) for p in keep)}
    checks = [check for expert in experts for check in _head_checks(base, expert, keep)]
    return (*checks, *(_job(name, base, experts, name in kept, dtype) for name in base.tensors))


def _job(
    name: str, base: ModelHeaders, experts: Sequence[ModelHeaders], kept: bool, dtype: str | None
) -> Job:
    info = base.tensors[name]
    source = Source(base.path_of(name), info)
    as_stored = PlannedTensor(name, info.dtype, info.shape)
    if kept:
        return Copy(as_stored, source)
    others = tuple(_counterpart(name, info, expert) for expert in experts)
    floating = info.dtype in STORED
    for other in others:
        if (other.tensor.dtype in STORED) != floating or (not floating and other.tensor.dtype != info.dtype):
            raise RunError(f"{other} is {other.tensor.dtype}, but {info.dtype} in {base.folder}")
    if not floating:
        return Identical(as_stored, source, others)
    return Merge(PlannedTensor(name, dtype or info.dtype, info.shape), source, others)


def _counterpart(name: str, info: TensorInfo, expert: ModelHeaders) -> Source:
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
    return HEAD not in model.tensors or read_config(model.folder).get("tie_word_embeddings") is True


def _embedding(model: ModelHeaders) -> TensorInfo | None:
    found = [info for name, info in model.tensors.items() if name.endswith(EMBEDDINGS)]
    return found[0] if len(found) == 1 else None
