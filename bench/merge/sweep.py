"""How far budgeted merges are from the full one: measured on their files, and for blocks picked at random.

Everything is streamed block by block; a family of 16 experts needs a few dozen MB.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
BLOCK = 1 << 19
"""Elements looked at at a time: a block of 1 MiB in bf16."""


@dataclass(frozen=True)
class Error:
    """`|M_A - M*|` as a share of the update `|M* - W|` and of the weights `|M*|`."""

    of_update: float
    of_weights: float


class Weights:
    """The bf16 tensors of one model, block by block."""

    def __init__(self, folder: Path) -> None:
        self._at: dict[str, tuple[Path, int, int]] = {}
        for file in sorted(folder.glob("*.safetensors")):
            with file.open("rb") as source:
                (length,) = struct.unpack("<Q", source.read(8))
                header: dict[str, Any] = json.loads(source.read(length))
            for name, fields in header.items():
                if name != "__metadata__":
                    if fields["dtype"] != "BF16":
                        raise ValueError(f"{file}: `{name}` is {fields['dtype']}, not BF16")
                    start, stop = fields["data_offsets"]
                    self._at[name] = (file, 8 + length + start, (stop - start) // 2)

    def blocks(self) -> Iterator[tuple[str, int, int]]:
        """Tensor name, first element and number of elements of every block, in one order for all models."""
        for name in sorted(self._at):
            _, _, size = self._at[name]
            for start in range(0, size, BLOCK):
                yield name, start, min(BLOCK, size - start)

    def read(self, name: str, start: int, count: int) -> F32:
        file, offset, _ = self._at[name]
        raw = np.fromfile(file, np.uint16, count, offset=offset + 2 * start)
        return (raw.astype(np.uint32) << 16).view(np.float32)


def error_of(base: Path, full: Path, merged: Path) -> Error:
    """How far the model `merged` is from `full`, both made from `base`."""
    start, target, found = Weights(base), Weights(full), Weights(merged)
    apart = update = norm = 0.0
    for block in target.blocks():
        t = target.read(*block)
        apart += _squared(found.read(*block) - t)
        update += _squared(t - start.read(*block))
        norm += _squared(t)
    return Error((apart / update) ** 0.5, (apart / norm) ** 0.5)


def random_errors(
    base: Path, experts: Sequence[Path], weights: Sequence[float], shares: Sequence[float], seed: int = 0
) -> list[float]:
    """Update-relative error of reading each share of the expert blocks, picked at random.

    For `base + sum_i w_i (expert_i - base)`, before it is rounded to the stored type.
    """
    start, moved = Weights(base), [Weights(expert) for expert in experts]
    draw = np.random.default_rng(seed)
    apart, update = np.zeros(len(shares)), 0.0
    w = np.array(weights, np.float32)
    for block in start.blocks():
        b = start.read(*block)
        deltas = np.stack([one.read(*block) - b for one in moved])
        left_out = draw.random(len(experts)) >= np.array(shares)[:, None]
        apart += np.square(((left_out * w) @ deltas).astype(np.float64)).sum(axis=1)
        update += _squared(w @ deltas)
    return [float(a / update) ** 0.5 for a in apart]


def _squared(values: F32) -> float:
    return float(np.dot(values, values))
