"""Tables that wait on the disk until all of them can be written to the catalog."""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Iterator, MutableMapping
from pathlib import Path

from fusec.runtime.positioned import write_from
from fusec.runtime.trouble import refusals_are_clear


class Spill:
    """A file without a name, beside the catalog; gone with the last of its tables, or with the process."""

    def __init__(self, folder: Path) -> None:
        """RunError where the folder cannot be written."""
        self._doing = f"columns cannot be kept in {folder} until all are measured"
        with refusals_are_clear(self._doing), tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            self._fd = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._fd)
        self._end = 0

    def append(self, data: bytes) -> tuple[int, int]:
        """Where the data lies from now on. RunError for a full disk."""
        place = self._end, len(data)
        with refusals_are_clear(self._doing):
            write_from(self._fd, data, self._end)
        self._end += len(data)
        return place

    def read(self, at: int, size: int) -> bytes:
        return os.pread(self._fd, size, at)


class SpilledTables(MutableMapping[str, bytes]):
    """Encoded tables by the names of their tensors; of each, only where it lies is held."""

    def __init__(self, spill: Spill) -> None:
        self._spill = spill
        self._places: dict[str, tuple[int, int]] = {}

    def __setitem__(self, tensor: str, data: bytes) -> None:
        self._places[tensor] = self._spill.append(data)

    def __getitem__(self, tensor: str) -> bytes:
        return self._spill.read(*self._places[tensor])

    def __delitem__(self, tensor: str) -> None:
        del self._places[tensor]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
