"""A model, stored task vector or adapter as a member of a family, headers only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fusec.runtime.kernel import RunError
from fusec.runtime.kernels.merge.deltas import Delta, read_delta
from fusec.runtime.sources.adapter_config import CONFIG
from fusec.runtime.sources.delta_folder import MANIFEST
from fusec.runtime.sources.safetensors_header import ModelHeaders, read_model_headers


@dataclass(frozen=True)
class Member:
    """`headers` is all that is stored, None for an adapter; `delta` says what a delta changes."""

    folder: Path
    headers: ModelHeaders | None
    delta: Delta | None = None

    @property
    def is_adapter(self) -> bool:
        return self.headers is None

    @property
    def stored(self) -> ModelHeaders:
        """All that a member that is no adapter stores."""
        assert self.headers
        return self.headers

    @property
    def content(self) -> ModelHeaders | Delta:
        """What a merge matches with the base."""
        found = self.delta or self.headers
        assert found
        return found


def member(folder: Path) -> Member:
    """What lies in a folder. Raises RunError for anything that is no model and no delta."""
    if (folder / CONFIG).is_file():
        return Member(folder, None, read_delta(folder))
    if (folder / MANIFEST).is_file():
        delta = read_delta(folder)
        return Member(folder, read_model_headers(folder), delta)
    return Member(folder, read_model_headers(folder))


def measurable(folder: Path) -> Member:
    """A member that stores blocks. Raises RunError for an adapter, too."""
    found = member(folder)
    if found.headers is None:
        raise RunError(
            f"{folder} holds an adapter, which has no blocks to measure",
            hint="a merge reads the factors of an adapter whole, whatever its budget",
        )
    return found
