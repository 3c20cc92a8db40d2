"""Named arrays in one file, mapped into memory: what does not fit stays on the disk."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, ...]


class ArrayFile(Mapping[str, NDArray[Any]]):
    """Arrays of one dtype by name; all zeros at first, and what is written to them is in the file."""

    def __init__(self, path: Path, shapes: Mapping[str, Shape], dtype: type[np.floating[Any]]) -> None:
        self._shapes = dict(shapes)
        ends = np.cumsum([math.prod(shape) for shape in shapes.values()], dtype=np.int64)
        self._starts = dict(zip(shapes, [0, *map(int, ends)], strict=False))
        # A file of length 0 cannot be mapped.
        self._all = np.memmap(path, dtype, "w+", shape=(max(1, int(ends[-1]) if len(ends) else 1),))

    def __getitem__(self, name: str) -> NDArray[Any]:
        start, shape = self._starts[name], self._shapes[name]
        return self._all[start : start + math.prod(shape)].reshape(shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self._shapes)

    def __len__(self) -> int:
        return len(self._shapes)
