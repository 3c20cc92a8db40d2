"""What an expert of a merge has for one tensor of the base, and where it lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fusec.runtime.ranges import name_of
from fusec.runtime.sources.adapter import Product
from fusec.runtime.sources.safetensors_header import TensorInfo


@dataclass(frozen=True)
class Source:
    """Where one tensor of one model lies."""

    path: Path
    tensor: TensorInfo

    def __str__(self) -> str:
        return f"{name_of(self.path)}: tensor `{self.tensor.name}`"


@dataclass(frozen=True)
class Unchanged:
    """The base's values."""


@dataclass(frozen=True)
class Stored:
    """A change, element by element."""

    change: Source


@dataclass(frozen=True)
class LowRank:
    """A change in two factors of the file `path`; on top of the new values `over`, or else of the base."""

    path: Path
    product: Product
    over: Source | None = None


Change = Source | Unchanged | Stored | LowRank
"""A `Source` is the expert's own weights."""


def paths_of(change: Change) -> set[Path]:
    """The files that a change is read from."""
    match change:
        case Source():
            return {change.path}
        case Stored():
            return {change.change.path}
        case LowRank():
            return {change.path}
        case Unchanged():
            return set()
