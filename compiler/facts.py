"""What is known about sources before anything runs: headers, schemas, sizes.

`runtime/sources` fills these in, the lock keeps them, the checker reads them. Pure data.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Literal

import msgspec

SourceKind = Literal["model", "delta", "data", "tokenizer"]
Scalar = str | int | float | bool


class SourceRequest(msgspec.Struct, frozen=True):
    """A source as the spec asks for it. Options are sorted by name."""

    kind: SourceKind
    uri: str
    options: tuple[tuple[str, Scalar], ...] = ()

    @property
    def is_endpoint(self) -> bool:
        """Whether this is a model that answers over HTTP instead of files, by what is stated of it."""
        return is_endpoint(self.kind, self.uri, (name for name, _ in self.options))


ENDPOINT_SCHEMES = ("https://", "http://")
ENDPOINT_OPTIONS = ("model", "logprobs")


def is_endpoint(kind: str, uri: str, options: Iterable[str]) -> bool:
    """Whether `uri` is where a model answers; a web address without these options is a folder with files."""
    stated = any(name in ENDPOINT_OPTIONS for name in options)
    return kind == "model" and uri.startswith(ENDPOINT_SCHEMES) and stated


DATA_OPTIONS: dict[str, type | tuple[str, ...]] = {
    "format": ("text", "jsonl", "csv", "parquet", "python_strings"),
    "split": str,
    "sample_by": ("document", "line", "paragraph"),
    "min_chars": int,
    "delimiter": str,
    "escape": str,
}
"""Options of a data source: a type, or the words that are allowed."""


class FilePin(msgspec.Struct, frozen=True, array_like=True):
    """One file of a source: its name inside the source, its bytes, its content once it was pinned.

    `sha256` is that of its bytes; of a remote file that was not read, `address#version` as its server says.
    """

    name: str
    size: int
    sha256: str | None = None


DTYPE_BYTES = {"fp32": 4, "bf16": 2, "fp16": 2}
"""Bytes of one weight in the types that models are made in."""


class TensorFact(msgspec.Struct, frozen=True, array_like=True):
    """One tensor by its header. `dtype` is the short name: `bf16`, `fp16`, `fp32`, `int8`."""

    name: str
    dtype: str
    shape: tuple[int, ...]


class TokenizerFacts(msgspec.Struct, frozen=True):
    """What a tokenizer does to text, apart from its chat template.

    `fingerprint` covers the token to id map and the merges. `core` covers the same without the tokens
    in `added` (id, token), so that two tokenizers can be told apart from one that only adds rows.
    """

    fingerprint: str
    vocab: int
    core: str
    added: tuple[tuple[int, str], ...] = ()


class ModelFacts(msgspec.Struct, frozen=True, tag="model", tag_field="kind"):
    """A model folder by its configuration and its safetensors headers.

    `pin` covers headers and sizes, and every byte once `pinned_by_content`. `bytes` are tensor payload
    bytes. `tied` says that the output head is the embedding. `root_hint` is the ancestor that the model
    card names. `revision` is the commit for `hf:` sources.
    """

    uri: str
    pin: str
    pinned_by_content: bool
    files: tuple[FilePin, ...]
    architecture: str
    dtype: str
    tensors: tuple[TensorFact, ...]
    params: int
    bytes: int
    vocab: int
    tied: bool
    tokenizer: TokenizerFacts | None = None
    root_hint: str | None = None
    licence: str | None = None
    revision: str | None = None


class DeltaPart(msgspec.Struct, frozen=True, array_like=True):
    """One tensor of the base that a delta changes, and the payload bytes that say how.

    `rank` is that of two factors whose product is the change; 0 where the tensor is stored whole.
    """

    name: str
    shape: tuple[int, ...]
    rank: int
    bytes: int


class DeltaFacts(msgspec.Struct, frozen=True, tag="delta", tag_field="kind"):
    """A PEFT adapter or a stored task vector by its configuration and its safetensors headers.

    `root_hint` is the base that its files name, as they spell it. Otherwise as in `ModelFacts`.
    """

    uri: str
    pin: str
    pinned_by_content: bool
    files: tuple[FilePin, ...]
    dtype: str
    parts: tuple[DeltaPart, ...]
    root_hint: str | None = None
    licence: str | None = None
    revision: str | None = None

    @property
    def bytes(self) -> int:
        return sum(part.bytes for part in self.parts)

    @property
    def rank(self) -> int:
        """The largest rank of an adapter, 0 for a dense delta."""
        return max(part.rank for part in self.parts)


class DataFacts(msgspec.Struct, frozen=True, tag="data", tag_field="kind"):
    """A data set by its schema.

    `columns` are (name, type text) in order; `rows` is None until somebody counted. Before the source is
    pinned by content, the columns of JSON and CSV are what the first block shows: `pin` may widen them.
    """

    uri: str
    pin: str
    pinned_by_content: bool
    files: tuple[FilePin, ...]
    format: str
    columns: tuple[tuple[str, str], ...]
    rows: int | None
    bytes: int
    licence: str | None = None
    revision: str | None = None


class TokenizerSourceFacts(msgspec.Struct, frozen=True, tag="tokenizer", tag_field="kind"):
    """A tokenizer as a source of its own. `pin` covers its chat template too."""

    uri: str
    pin: str
    pinned_by_content: bool
    files: tuple[FilePin, ...]
    tokenizer: TokenizerFacts
    revision: str | None = None


class EndpointFacts(msgspec.Struct, frozen=True, tag="endpoint", tag_field="kind"):
    """A hosted model by what the spec states of it; nobody is asked.

    `pin` covers the address and the name of the model. What stands behind them may change unseen, which is
    why verbs that ask endpoints store the answers and have the grade `external`.
    """

    uri: str
    pin: str
    model: str
    logprobs: bool
    files: tuple[FilePin, ...] = ()
    pinned_by_content: bool = True


def endpoint_facts(request: SourceRequest) -> EndpointFacts:
    """The facts of an endpoint, from its options alone; `logprobs` is false unless it is stated."""
    options = dict(request.options)
    model = str(options["model"])
    pin = sha256(f"endpoint\0{request.uri.rstrip('/')}\0{model}".encode()).hexdigest()
    return EndpointFacts(request.uri, pin, model, bool(options.get("logprobs", False)))


SourceFacts = ModelFacts | DeltaFacts | DataFacts | TokenizerSourceFacts | EndpointFacts


def pin_of(facts: SourceFacts) -> str:
    """What tells a source from every other one in a plan, in hex.

    Headers and sizes are all that is known before a source is pinned by content, and two sources may share
    them: until then the address counts too.
    """
    if facts.pinned_by_content:
        return facts.pin
    return sha256(f"{facts.uri}\0{facts.pin}".encode()).hexdigest()


class SourceProblem(msgspec.Struct, frozen=True):
    """Why a source cannot be used. `where` is the file, folder or address that was looked at."""

    kind: Literal["missing", "damaged", "offline", "unsupported", "scheme"]
    what: str
    hint: str = ""
    where: str = ""


TIED_HEADS = frozenset({"lm_head.weight", "embed_out.weight"})
EMBEDDINGS = ("embed_tokens.weight", "wte.weight", "word_embeddings.weight", "embed_in.weight")
"""How the names of input embeddings end."""


def space_fingerprint(tensors: Iterable[TensorFact], *, tied: bool = False) -> str:
    """The weight space as 64 hex digits: sorted (name, shape), dtypes apart.

    A tied head is the embedding under a second name, stored by some writers and not by others, so it
    does not count.
    """
    digest = sha256()
    for tensor in sorted(tensors, key=lambda t: t.name):
        if not (tied and tensor.name in TIED_HEADS):
            digest.update(f"{tensor.name}\0{','.join(map(str, tensor.shape))}\n".encode())
    return digest.hexdigest()


class TokenizerMatch(msgspec.Struct, frozen=True):
    """How one tokenizer relates to another: `extends` adds `extra` rows behind those of the other."""

    kind: Literal["same", "extends", "different"]
    extra: int = 0


def compare_tokenizers(base: TokenizerFacts, other: TokenizerFacts) -> TokenizerMatch:
    """How `other` relates to `base`: the same rows, the same and more behind them, or neither."""
    if base.fingerprint == other.fingerprint:
        return TokenizerMatch("same")
    extra = set(other.added) - set(base.added)
    only_adds = base.core == other.core and set(base.added) <= set(other.added)
    if only_adds and all(row >= base.vocab for row, _ in extra):
        return TokenizerMatch("extends", len(extra))
    return TokenizerMatch("different")
