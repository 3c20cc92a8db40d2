"""Writes one tensor with a row per token: its own rows in runs, stand-ins row by row."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fusec.compiler.facts import EMBEDDINGS, TIED_HEADS
from fusec.runtime.hf_folder import ModelWriter
from fusec.runtime.kernel import Meter, RunError
from fusec.runtime.kernels.merge.codec import F32, STORED, decode, encode
from fusec.runtime.kernels.transplant_tokenizer.placing import Holder, OwnMean, Placed, Rows
from fusec.runtime.positioned import read_into
from fusec.runtime.sources.safetensors_header import BITS, TensorInfo

Open = Callable[[Path], int]

BLOCK = 1 << 22
"""Bytes of rows read at once for a mean of all."""


class Filler:
    """One tensor of the model `own` on its way into the new embedding."""

    def __init__(self, name: str, own: Holder, placed: Placed, open_: Open) -> None:
        self._name, self._own, self._placed, self._open = name, own, placed, open_
        self._info = own.headers.tensors[name]
        self._row = self._info.bytes // self._info.shape[0] if self._info.shape[0] else 0
        self._read = 0

    def write(self, writer: ModelWriter, meter: Meter) -> None:
        """Writes every row. RunError where a donor has no such tensor or a stand-in cannot be computed."""
        path = self._own.headers.path_of(self._name)
        fd, row = self._open(path), self._row
        for run in self._placed.runs:
            start = self._info.start + run.source * row
            writer.copy(self._name, fd, start, run.count * row, str(path), offset=run.target * row)
            self._read += run.count * row
        mean: NDArray | None = None
        for number, standin in self._placed.standins.items():
            if isinstance(standin, OwnMean):
                mean = self._own_mean() if mean is None else mean
                piece = mean
            else:
                piece = self._of_rows(standin)
            writer.write(self._name, number * row, piece)
        meter.bytes_read += self._read
        meter.bytes_written += sum(run.count for run in self._placed.runs) * row
        meter.bytes_written += len(self._placed.standins) * row

    def _of_rows(self, rows: Rows) -> NDArray:
        if not rows.of:
            return np.zeros(self._row, np.uint8)
        sources = [(holder, row, self._counterpart(holder)) for holder, row in rows.of]
        if len(sources) == 1 and sources[0][2].dtype == self._info.dtype:
            holder, row, info = sources[0]
            return self._bytes(holder, info, row, 1)
        total = np.zeros(self._width, np.float64)
        for holder, row, info in sources:
            total += self._floats(holder, info, row, 1)[0]
        return self._stored(total / len(sources))

    def _own_mean(self) -> NDArray:
        """The mean of the rows that have a token, summed in their order."""
        taken: NDArray[np.bool_] = np.zeros(self._own.height, np.bool_)
        taken[[row for row in self._own.rows.values() if row < self._own.height]] = True
        if not taken.any():
            raise RunError(
                f"{self._own.headers.folder} has no row for any token, so there is no mean of them",
                hint="write `missing: zero`",
            )
        total = np.zeros(self._width, np.float64)
        step = max(1, BLOCK // max(1, self._row))
        for start in range(0, self._own.height, step):
            count = min(step, self._own.height - start)
            block = self._floats(self._own, self._info, start, count)[taken[start : start + count]]
            # Row after row, as numpy sums along the first axis: the same for every size of block.
            for values in block:
                total += values
        return self._stored(total / np.count_nonzero(taken))

    @property
    def _width(self) -> int:
        return math.prod(self._info.shape[1:])

    def _counterpart(self, holder: Holder) -> TensorInfo:
        """The tensor of a donor with the same meaning: a tied head is the embedding."""
        tensors = holder.headers.tensors
        info = tensors.get(self._name)
        if info is None and self._name in TIED_HEADS:
            info = next((tensors[name] for name in sorted(tensors) if name.endswith(EMBEDDINGS)), None)
        if info is None or info.shape[1:] != self._info.shape[1:]:
            lacks = "has no tensor" if info is None else f"has rows of {list(info.shape[1:])} in"
            raise RunError(
                f"{holder.headers.folder} {lacks} `{self._name}`, so its rows cannot stand in",
                hint="donors share the model's architecture and width",
            )
        return info

    def _bytes(self, holder: Holder, info: TensorInfo, row: int, count: int) -> NDArray[np.uint8]:
        size = self._width * BITS[info.dtype] // 8
        out = np.empty(size * count, np.uint8)
        path = holder.headers.path_of(info.name)
        read_into(self._open(path), out, info.start + row * size, str(path))
        self._read += out.nbytes
        return out

    def _floats(self, holder: Holder, info: TensorInfo, row: int, count: int) -> F32:
        if info.dtype not in STORED:
            raise RunError(
                f"{holder.headers.path_of(info.name)}: `{info.name}` is {info.dtype}, which has no mean",
                hint="a stand-in needs a model in BF16, F16 or F32",
            )
        out: F32 = np.empty(self._width * count, np.float32)
        decode(self._bytes(holder, info, row, count).view(STORED[info.dtype]), info.dtype, out)
        return out.reshape(count, self._width)

    def _stored(self, values: NDArray[np.float64]) -> NDArray:
        dtype = self._info.dtype
        if dtype not in STORED:
            raise RunError(
                f"`{self._name}` is {dtype}, which a mean cannot be stored as",
                hint="a stand-in needs a model in BF16, F16 or F32",
            )
        out = np.empty(self._width, STORED[dtype])
        encode(values.astype(np.float32), dtype, out)
        return out
