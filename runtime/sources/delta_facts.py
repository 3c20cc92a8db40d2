"""The facts of a delta: a PEFT adapter, or a task vector that fusec stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import prod

from fusec.compiler.facts import DeltaFacts, DeltaPart, FilePin, SourceRequest, TensorFact
from fusec.runtime.sources.adapter import WEIGHTS, read_adapter
from fusec.runtime.sources.adapter_config import CONFIG
from fusec.runtime.sources.cards import first_text, read_card
from fusec.runtime.sources.delta_folder import MANIFEST, read_delta_folder
from fusec.runtime.sources.fingerprints import header_pin
from fusec.runtime.sources.locate import Located
from fusec.runtime.sources.model_facts import DTYPES
from fusec.runtime.sources.problems import Unusable
from fusec.runtime.sources.reads import READS
from fusec.runtime.sources.safetensors_header import INDEX, TensorInfo


def delta_facts(request: SourceRequest, located: Located) -> DeltaFacts:
    """Reads configuration and headers only; raises `Unusable` where the folder is no whole delta."""
    if located.file(CONFIG):
        return _adapter(request, located)
    if located.file(MANIFEST):
        return _stored(request, located)
    raise Unusable(
        "missing",
        f"`{request.uri}` has neither {CONFIG} nor {MANIFEST}",
        hint="a whole model is declared as `model`; `task_vector` makes a delta of it",
        where=located.root,
    )


def _adapter(request: SourceRequest, located: Located) -> DeltaFacts:
    adapter = read_adapter(located.root)
    READS.headers += adapter.header.data_start
    parts = tuple(
        DeltaPart(part.name, part.shape, part.product.rank if part.product else 0, part.bytes)
        for part in adapter.parts
    )
    hint = adapter.config.base_model_name_or_path or first_text(read_card(located.root), "base_model")
    return _facts(request, located, (CONFIG, WEIGHTS), adapter.header.tensors, parts, hint)


def _stored(request: SourceRequest, located: Located) -> DeltaFacts:
    headers = read_delta_folder(located.root)
    READS.headers += sum(header.data_start for header in headers.files.values())
    tensors = headers.tensors.values()
    parts = tuple(DeltaPart(info.name, info.shape, 0, info.bytes) for info in tensors)
    files = (MANIFEST, *headers.files, *((INDEX,) if located.file(INDEX) else ()))
    return _facts(request, located, files, tensors, parts, first_text(read_card(located.root), "base_model"))


def _facts(
    request: SourceRequest,
    located: Located,
    names: Iterable[str],
    tensors: Iterable[TensorInfo],
    parts: tuple[DeltaPart, ...],
    root_hint: str | None,
) -> DeltaFacts:
    wanted = set(names)
    files = tuple(file for file in located.files if file.name in wanted)
    ordered = sorted(tensors, key=lambda info: info.name)
    stored = [TensorFact(info.name, DTYPES.get(info.dtype, info.dtype), info.shape) for info in ordered]
    held: Counter[str] = Counter()
    for tensor in stored:
        held[tensor.dtype] += prod(tensor.shape)
    return DeltaFacts(
        uri=request.uri,
        pin=header_pin(files, stored),
        pinned_by_content=False,
        files=tuple(FilePin(file.name, file.size) for file in files),
        dtype=max(sorted(held), key=held.__getitem__),
        parts=parts,
        root_hint=root_hint or None,
        licence=first_text(read_card(located.root), "license"),
        revision=located.revision,
    )
