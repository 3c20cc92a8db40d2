"""The facts of a model folder: configuration, safetensors headers, tokenizer files, model card."""

from __future__ import annotations

from collections import Counter

import msgspec

from fusec.compiler.facts import TIED_HEADS, FilePin, ModelFacts, SourceRequest, TensorFact
from fusec.runtime.kernel import RunError
from fusec.runtime.sources.cards import first_text, read_card
from fusec.runtime.sources.fingerprints import header_pin
from fusec.runtime.sources.locate import TOKENIZER_FILES, Located, SourceFile
from fusec.runtime.sources.problems import ProblemKind, Unusable
from fusec.runtime.sources.reads import READS, read_header_file
from fusec.runtime.sources.safetensors_header import ModelHeaders, read_model_headers
from fusec.runtime.sources.tokenizer_facts import tokenizer_facts

DTYPES = {"BF16": "bf16", "F16": "fp16", "F32": "fp32", "F64": "fp64"}
"""Short names; a dtype that is not here is written in lower case (`i8`, `f8_e4m3`)."""


class _TextConfig(msgspec.Struct):
    vocab_size: int | None = None


class _Config(msgspec.Struct):
    """The part of `config.json` that the facts need; multimodal models keep theirs in `text_config`."""

    architectures: list[str] | None = None
    model_type: str = "unknown"
    vocab_size: int | None = None
    tie_word_embeddings: bool | None = None
    text_config: _TextConfig | None = None

    @property
    def architecture(self) -> str:
        return self.architectures[0] if self.architectures else self.model_type

    @property
    def vocab(self) -> int:
        inner = self.text_config or _TextConfig()
        return self.vocab_size or inner.vocab_size or 0


def model_facts(request: SourceRequest, located: Located) -> ModelFacts:
    """Reads headers only; raises `Unusable` where the folder is not a whole model."""
    config = _config(request, located)
    pickles = [] if _has_weights(located) else sorted(located.root.glob("pytorch_model*.bin"))
    if pickles:
        raise Unusable(
            "missing",
            f"`{request.uri}` has its weights only as pickle ({pickles[0].name}), which runs code when read",
            hint="load it where it is trusted and save it with save_pretrained(..., safe_serialization=True)",
            where=pickles[0],
        )
    try:
        headers = read_model_headers(located.root)
    except RunError as error:
        kind: ProblemKind = "damaged" if _has_weights(located) else "missing"
        raise Unusable(kind, error.what, hint=error.hint, where=located.root) from error
    READS.headers += sum(header.data_start for header in headers.files.values())
    tensors = tuple(
        TensorFact(info.name, DTYPES.get(info.dtype, info.dtype.lower()), info.shape)
        for info in headers.tensors.values()
    )
    tied = bool(config.tie_word_embeddings) or not TIED_HEADS & headers.tensors.keys()
    files = _model_files(located, headers)
    card = read_card(located.root)
    return ModelFacts(
        uri=request.uri,
        pin=header_pin(files, tensors),
        pinned_by_content=False,
        files=tuple(FilePin(file.name, file.size) for file in files),
        architecture=config.architecture,
        dtype=_dominant_dtype(headers),
        tensors=tensors,
        params=sum(
            info.elements for name, info in headers.tensors.items() if not (tied and name in TIED_HEADS)
        ),
        bytes=headers.bytes,
        vocab=config.vocab,
        tied=tied,
        tokenizer=tokenizer_facts(located.root),
        root_hint=first_text(card, "base_model"),
        licence=first_text(card, "license"),
        revision=located.revision,
    )


def _config(request: SourceRequest, located: Located) -> _Config:
    file = located.file("config.json")
    if file is None and located.file("adapter_config.json"):
        raise Unusable(
            "unsupported",
            f"`{request.uri}` is an adapter, not a model",
            hint=f'declare it as one, `delta name from "{request.uri}"`, and merge it into its base',
            where=located.root,
        )
    if file is None and (located.root / "delta.json").is_file():
        raise Unusable(
            "unsupported",
            f"`{request.uri}` is a delta, not a model",
            hint=f'declare it as one, `delta name from "{request.uri}"`, and merge it into its base',
            where=located.root,
        )
    if file is None:
        raise Unusable("missing", f"`{request.uri}` has no config.json", where=located.root)
    try:
        return msgspec.json.decode(read_header_file(file.path), type=_Config)
    except msgspec.MsgspecError as error:
        raise Unusable("damaged", f"config.json is not readable: {error}", where=file.path) from error


def _has_weights(located: Located) -> bool:
    return any(file.name.endswith(".safetensors") for file in located.files)


def _model_files(located: Located, headers: ModelHeaders) -> tuple[SourceFile, ...]:
    """Without weights that the model does not use, such as a second export beside the first."""
    sharded = len(headers.files) > 1 or "model.safetensors" not in headers.files

    def used(name: str) -> bool:
        if name.endswith(".safetensors"):
            return name in headers.files
        return sharded or not name.endswith(".index.json")

    return tuple(file for file in located.files if used(file.name))


def _dominant_dtype(headers: ModelHeaders) -> str:
    held: Counter[str] = Counter()
    for info in headers.tensors.values():
        held[DTYPES.get(info.dtype, info.dtype.lower())] += info.elements
    return max(sorted(held), key=held.__getitem__)


def tokenizer_files(located: Located) -> tuple[SourceFile, ...]:
    names = {file.name for file in located.files}
    wanted = names & {name for name in TOKENIZER_FILES if "*" not in name}
    return tuple(f for f in located.files if f.name in wanted or f.name.startswith("chat_template."))
