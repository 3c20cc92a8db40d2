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

    `fingerprint` hashes that set; `bytes` is the payload at the stored dtypes.
    """

    name: str
    fingerprint: str
    tensors: int
    params: int
    bytes: int
    vocab: int

    def __str__(self) -> str:
        return f"{self.name}: {self.tensors} tensors, vocabulary {self.vocab}"


class ModelType(msgspec.Struct, frozen=True, tag="model"):
    """`identity` names the checkpoint itself, `root` its ancestor ("" when nobody knows it)."""

    space: Space
    dtype: str
    identity: str
    root: str
    tokenizer: str

    def __str__(self) -> str:
        return f"Model[{self.space.name}, {self.dtype}]"


class DataType(msgspec.Struct, frozen=True, tag="data"):
    """Columns in order; `rows` and `bytes` are -1 while unknown."""

    columns: tuple[tuple[str, ColumnType], ...]
    rows: int = -1
    bytes: int = -1

    def __str__(self) -> str:
        return "Data[{" + ", ".join(f"{name}: {type_}" for name, type_ in self.columns) + "}]"


class TokenizerType(msgspec.Struct, frozen=True, tag="tokenizer"):
    fingerprint: str
    vocab: int

    def __str__(self) -> str:
        return f"Tokenizer[{self.vocab}]"


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


Type: TypeAlias = ModelType | DataType | TokenizerType | ReportType | MapType | Unknown

KINDS: dict[type[msgspec.Struct], str] = {
    ModelType: "model",
    DataType: "data",
    TokenizerType: "tokenizer",
    ReportType: "report",
    MapType: "map",
}


def kind_of(type_: Type) -> str:
    """`model`, `data`, `tokenizer`, `report`, `map`; `unknown` for anything broken."""
    return KINDS.get(type(type_), "unknown")


def score_paths(report: ReportType) -> tuple[str, ...]:
    """Every score a report has, as written after its name: `average.loss`, `code.loss`."""
    groups = (*report.keys, "average") if "loss" in report.scores else report.keys
    nested = tuple(f"{group}.{score}" for group in groups for score in report.scores)
    return nested if report.keys else (*report.scores, *nested)
