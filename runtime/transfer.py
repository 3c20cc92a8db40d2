"""Tensors of model folders into a new one: byte for byte, or scaled and stored in another type.

What keeps its type and has no scale is copied by the operating system and never decoded. Everything else is
read in pieces, multiplied in float32 and rounded once. Memory is a few pieces a thread, whatever the size of
a tensor.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusec.runtime.hf_folder import ModelWriter, PlannedTensor
from fusec.runtime.kernel import Context, RunError
from fusec.runtime.kernels.merge.codec import F32, STORED, decode, encode, first_nonfinite
from fusec.runtime.positioned import read_into
from fusec.runtime.sources.safetensors_header import TensorInfo

PIECE = 1 << 18
"""Elements that are converted at a time: 1 MiB as float32, which a core's second-level cache holds."""


@dataclass(frozen=True)
class Move:
    """Tensor `source` of the file `path` becomes `target`, of the same shape; `scale` is None for none."""

    target: PlannedTensor
    path: Path
    source: TensorInfo
    scale: float | None = None

    @property
    def is_copy(self) -> bool:
        return self.scale is None and self.target.dtype == self.source.dtype


def plan_move(
    target: str, path: Path, source: TensorInfo, *, dtype: str | None = None, scale: float | None = None
) -> Move:
    """The move of `source` to the name `target`; `dtype` is safetensors' name of a float (None: as it is).

    Integers and booleans keep their type. Raises RunError for a scale or another type of what is neither
    integer nor BF16, F16 or F32.
    """
    whole = source.dtype.startswith(("I", "U", "BOOL"))
    if source.dtype not in STORED and not whole and (scale is not None or dtype is not None):
        raise RunError(
            f"{path}: tensor `{source.name}` is stored as {source.dtype}, which is copied but not converted",
            hint=f"{', '.join(STORED)} can be converted",
        )
    if whole and scale is not None:
        raise RunError(f"{path}: tensor `{source.name}` is {source.dtype}, and only weights can be scaled")
    stored = source.dtype if whole or dtype is None else dtype
    return Move(PlannedTensor(target, stored, source.shape), path, source, scale)


def transfer(moves: Sequence[Move], writer: ModelWriter, ctx: Context) -> None:
    """Does all moves on `ctx.threads` threads; counts bytes and reports progress. Equal for any threads.

    Raises RunError for a weight that is not finite, or not any more in the type it shall have; of several,
    the first in order.
    """
    total = max(1, sum(move.target.bytes for move in moves))
    with ExitStack() as stack:
        fds = {path: _open(path, stack) for path in sorted({move.path for move in moves})}
        pool = stack.enter_context(ThreadPoolExecutor(ctx.threads, "transfer"))
        futures = [pool.submit(_do, move, fds[move.path], writer) for move in moves]
        try:
            for move, future in zip(moves, futures, strict=True):
                future.result()
                ctx.meter.bytes_read += move.source.bytes
                ctx.meter.bytes_written += move.target.bytes
                ctx.emit("progress", done=ctx.meter.bytes_written, total=total, unit="bytes")
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def read_floats(fd: int, path: Path, source: TensorInfo, start: int, out: F32) -> F32:
    """Fills `out` with the weights of a BF16, F16 or F32 tensor from flat index `start` on.

    RunError for one that is not finite.
    """
    stored = np.empty(out.size, STORED[source.dtype])
    read_into(fd, stored, source.start + start * stored.itemsize, str(path))
    at = first_nonfinite(stored, source.dtype)
    if at is not None:
        raise RunError(
            f"{path}: tensor `{source.name}` is not finite at flat index {start + at}",
            hint="the model is damaged",
        )
    decode(stored, source.dtype, out)
    return out


def _do(move: Move, fd: int, writer: ModelWriter) -> None:
    source, target = move.source, move.target
    if move.is_copy:
        writer.copy(target.name, fd, source.start, source.bytes, str(move.path))
        return
    floats = np.empty(min(PIECE, source.elements), np.float32)
    for start in range(0, source.elements, PIECE):
        values = read_floats(fd, move.path, source, start, floats[: source.elements - start])
        if move.scale is not None:
            with np.errstate(over="ignore"):  # it shows in the result, where it is an error
                np.multiply(values, np.float32(move.scale), out=values)
        out: NDArray[Any] = np.empty(values.size, STORED[target.dtype])
        encode(values, target.dtype, out)
        at = first_nonfinite(out, target.dtype)
        if at is not None:
            raise RunError(
                f"{move.path}: tensor `{source.name}` overflows {target.dtype} at flat index {start + at}",
                hint="a wider type holds it: bf16 and fp32 reach as far as each other",
            )
        writer.write(target.name, start * out.itemsize, out)


def _open(path: Path, stack: ExitStack) -> int:
    fd = os.open(path, os.O_RDONLY)
    stack.callback(os.close, fd)
    return fd
