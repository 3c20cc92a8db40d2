"""What the checker knows about a value: frozen facts, printed as they stand in IR text and hover.

A type is about weights, not only shapes: which coordinate system (`Space`) a model lives in, which
ancestor it comes from (`root`) and which tokenizer numbers its embedding rows.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from fusec.lang.column_types import ColumnType


class Space(msgspec.Struct, frozen=True):
    """A weight coordinate system: the ordered set of (tensor name, shape).

    `fingerprint` hashes that set; `bytes` is the payload at the stored dtypes. `vocab` is 0 where only the
    run knows how many rows the embedding has; `params` and `bytes` are then the most they can be.
    """

    name: str
    fingerprint: str
    tensors: int
    params: int
    bytes: int
    vocab: int

    def __str__(self) -> str:
        vocabulary = f"vocabulary {self.vocab}" if self.vocab else "a vocabulary that the run finds out"
        return f"{self.name}: {self.tensors} tensors, {vocabulary}"


class ModelType(msgspec.Struct, frozen=True, tag="model"):
    """`identity` names the checkpoint itself, `root` its ancestor ("" when nobody knows it)."""

    space: Space
    dtype: str
    identity: str
    root: str
    tokenizer: str

    def __str__(self) -> str:
        return f"Model[{self.space.name}, {self.dtype}]"


class DeltaType(msgspec.Struct, frozen=True, tag="delta"):
    """What to add to a base: a task vector, or an adapter whose largest rank is `rank` (0 for a dense one).

    `space` holds the tensors it changes, as they are in the base, and the bytes that are stored of it.
    `root` is the ancestor it is known to belong to, `hint` the one its files name in words of their own.
    `tokenizer` numbers its embedding rows, "" where nobody knows.
    """

    space: Space
    dtype: str
    identity: str
    root: str
    hint: str = ""
    rank: int = 0
    tokenizer: str = ""

    def __str__(self) -> str:
        root = f", root: {self.root}" if self.root else ""
        return f"Delta[{self.space.name}{root}]"


class EndpointType(msgspec.Struct, frozen=True, tag="endpoint"):
    """A model that answers from elsewhere: with text, with log-probabilities where it states them."""

    identity: str
    logprobs: bool

    def __str__(self) -> str:
        return "Scorer" if self.logprobs else "Sampler"


class DataType(msgspec.Struct, frozen=True, tag="data"):
    """Columns in order; `rows` and `bytes` are -1 while unknown."""

    columns: tuple[tuple[str, ColumnType], ...]
    rows: int = -1
    bytes: int = -1

    def __str__(self) -> str:
        return "Data[{" + ", ".join(f"{name}: {type_}" for name, type_ in self.columns) + "}]"


class TokenizerType(msgspec.Struct, frozen=True, tag="tokenizer"):
    """`vocab` counts the rows that the tokenizer numbers, at most where that is not `exact`."""

    fingerprint: str
    vocab: int
    exact: bool = True

    def __str__(self) -> str:
        return f"Tokenizer[{'' if self.exact else 'at most '}{self.vocab}]"


class ReportType(msgspec.Struct, frozen=True, tag="report"):
    """`keys` are the datasets scored; `scores` the numbers each of them has."""

    keys: tuple[str, ...]
    scores: tuple[str, ...]

    def __str__(self) -> str:
        return f"Report[{', '.join(self.scores)}]"


class MapType(msgspec.Struct, frozen=True, tag="map"):
    """A result with named parts, such as the two sides of a `split`."""

    items: tuple[tuple[str, DataType], ...]

    def __str__(self) -> str:
        return "Map[" + ", ".join(f"{key}: {type_}" for key, type_ in self.items) + "]"


class Unknown(msgspec.Struct, frozen=True, tag="unknown"):
    """The type of anything broken: fits everywhere and reports nothing, so one mistake is one message."""

    def __str__(self) -> str:
        return "Unknown"


Type: TypeAlias = (
    ModelType | DeltaType | EndpointType | DataType | TokenizerType | ReportType | MapType | Unknown
)

KINDS: dict[type[msgspec.Struct], str] = {
    ModelType: "model",
    DeltaType: "delta",
    EndpointType: "model",
    DataType: "data",
    TokenizerType: "tokenizer",
    ReportType: "report",
    MapType: "map",
}


def kind_of(type_: Type) -> str:
    """`model`, `delta`, `data`, `tokenizer`, `report`, `map`; `unknown` for anything broken."""
    return KINDS.get(type(type_), "unknown")


CAPABILITIES = ("sampler", "scorer", "model")
"""What may be asked of a model, each with all that those before it give: text, log-probabilities, weights."""

GIVES = dict(zip(CAPABILITIES, ("text", "log-probabilities", "weights"), strict=True))


def capability(type_: ModelType | EndpointType) -> str:
    """The last of `CAPABILITIES` that a model has."""
    if isinstance(type_, ModelType):
        return "model"
    return "scorer" if type_.logprobs else "sampler"


def noun(type_: Type) -> str:
    """What messages call a value of this type: `Model`, `Scorer`, `Data`."""
    kind = capability(type_) if isinstance(type_, EndpointType) else kind_of(type_)
    return kind.capitalize()


def score_paths(report: ReportType) -> tuple[str, ...]:
    """Every score a report has, as written after its name: `average.loss`, `code.loss`."""
    groups = (*report.keys, "average") if "loss" in report.scores else report.keys
    nested = tuple(f"{group}.{score}" for group in groups for score in report.scores)
    return nested if report.keys else (*report.scores, *nested)
