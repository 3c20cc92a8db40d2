"""Writes Hugging Face model folders: the small files beside the weights, and the weights piece by piece."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from msgspec import Struct

from fusec.runtime.kernel import RunError
from fusec.runtime.positioned import copy_range, write_from
from fusec.runtime.sources.safetensors_header import BITS, INDEX, SINGLE
from fusec.runtime.writeback import Writeback

SHARD_BYTES = 5_000_000_000

# Weights, optimizer states, cards and remote code stay behind.
COMPANIONS = (
    "generation_config.json",
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "*.model",
    "*.tiktoken",
    "chat_template.*",
    "additional_chat_templates/*",
    "preprocessor_config.json",
    "processor_config.json",
)


def read_config(folder: Path) -> dict[str, Any]:
    """The model's `config.json`. RunError if it is missing or not a JSON object."""
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path} is missing, so {folder} is not a Hugging Face model") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {error}") from error
    if not isinstance(config, dict):
        raise RunError(f"{path} is not a JSON object")
    return config


def copy_companions(src: Path, out: Path, *, dtype: str | None, config: dict[str, Any] | None = None) -> None:
    """Copies config, generation config, tokenizer and chat template of model `src` into `out`, synced.

    With `dtype` ("bfloat16", "float16", "float32") the config says that the weights are stored so, and
    `config` stands in for the model's own; without both, it is copied byte for byte.
    """
    own = read_config(src)
    if dtype is None and config is None:
        _copy(src / "config.json", out / "config.json")
    else:
        made = own if config is None else config
        write_synced(out / "config.json", _json(made if dtype is None else _with_dtype(made, dtype)))
    # A set, as one file can match two patterns.
    for path in sorted({p for pattern in COMPANIONS for p in src.glob(pattern) if p.is_file()}):
        _copy(path, out / path.relative_to(src))


def _with_dtype(config: dict[str, Any], dtype: str) -> dict[str, Any]:
    # Transformers before 5 wrote `torch_dtype`; composite models repeat the field in their parts.
    old = {"torch_dtype"} & config.keys()
    parts = {k: _with_dtype(v, dtype) for k, v in config.items() if isinstance(v, dict) and "dtype" in v}
    return config | parts | {"dtype": dtype} | dict.fromkeys(old, dtype)


class PlannedTensor(Struct, frozen=True):
    """A tensor that will be written; `dtype` is safetensors' name for it."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * BITS[self.dtype] // 8


class ModelWriter:
    """Safetensors shards whose headers and sizes stand before the first payload byte is known.

    The given order decides which tensors share a shard. Pieces may be written in any order and from any
    thread; the bytes of the folder depend on the plan and the payload only. Leaving the context without an
    exception syncs the files and writes the index; after an exception the folder is incomplete.
    """

    def __init__(
        self, out: Path, tensors: Sequence[PlannedTensor], *, shard_bytes: int = SHARD_BYTES
    ) -> None:
        self.out = out
        self._shards = split_shards(tensors, shard_bytes)
        self._at: dict[str, tuple[int, int]] = {}
        self._fds: list[int] = []
        self._writeback = Writeback()

    def __enter__(self) -> ModelWriter:
        try:
            for file, tensors in self._shards.items():
                self._create(self.out / file, tensors)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        try:
            self._writeback.__exit__(kind, error, trace)
            if kind is None:
                for fd in self._fds:
                    os.fsync(fd)
                if len(self._shards) > 1:
                    write_synced(self.out / INDEX, _json(self._index()))
                sync_folder(self.out)
        finally:
            self._close()

    def write(self, name: str, offset: int, piece: np.ndarray | bytes) -> None:
        """Writes `piece` at byte `offset` of tensor `name`."""
        fd, start = self._at[name]
        write_from(fd, piece, start + offset)
        self._writeback.wrote(fd, len(piece) if isinstance(piece, bytes) else piece.nbytes)

    def copy(self, name: str, source: int, start: int, count: int, where: str, *, offset: int = 0) -> None:
        """Fills tensor `name` from byte `offset` on with `count` bytes at `start` of the open file `source`.

        Errors call the file `where`.
        """
        fd, at = self._at[name]
        copy_range(source, start, fd, at + offset, count, where)
        self._writeback.wrote(fd, count)

    def _create(self, path: Path, tensors: Sequence[PlannedTensor]) -> None:
        header, starts, size = _layout(tensors)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        self._fds.append(fd)
        # Space is reserved now: a full disk ends the run before the reading starts.
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(fd, 0, size)
        else:
            os.ftruncate(fd, size)
        write_from(fd, header, 0)
        self._at |= {name: (fd, start) for name, start in starts.items()}

    def _index(self) -> dict[str, Any]:
        planned = [(file, t) for file, tensors in self._shards.items() for t in tensors]
        return {
            "metadata": {"total_size": sum(t.bytes for _, t in planned)},
            "weight_map": {t.name: file for file, t in planned},
        }

    def _close(self) -> None:
        while self._fds:
            os.close(self._fds.pop())


def split_shards(tensors: Sequence[PlannedTensor], shard_bytes: int) -> dict[str, list[PlannedTensor]]:
    """File name -> its tensors: filled in order, closed before `shard_bytes` of payload would be passed.

    A tensor larger than that has a shard of its own.
    """
    groups: list[list[PlannedTensor]] = [[]]
    size = 0
    for t in tensors:
        if groups[-1] and size + t.bytes > shard_bytes:
            groups.append([])
            size = 0
        groups[-1].append(t)
        size += t.bytes
    if len(groups) == 1:
        return {SINGLE: groups[0]}
    return {f"model-{i:05d}-of-{len(groups):05d}.safetensors": group for i, group in enumerate(groups, 1)}


def _layout(tensors: Sequence[PlannedTensor]) -> tuple[bytes, dict[str, int], int]:
    """Header bytes, absolute start of each tensor, size of the file."""
    # Wide dtypes first keeps every tensor aligned to its element size, as the format's own writer does.
    ordered = sorted(tensors, key=lambda t: (-BITS[t.dtype], t.name))
    fields: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    starts: dict[str, int] = {}
    at = 0
    for t in ordered:
        fields[t.name] = {"dtype": t.dtype, "shape": t.shape, "data_offsets": (at, at + t.bytes)}
        starts[t.name] = at
        at += t.bytes
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    header = len(text).to_bytes(8, "little") + text
    return header, {name: len(header) + start for name, start in starts.items()}, len(header) + at


def sync_folder(path: Path) -> None:
    """Makes the names in a folder durable."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _json(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _copy(src: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with src.open("rb") as source, target.open("wb") as file:
        shutil.copyfileobj(source, file)
        file.flush()
        os.fsync(file.fileno())


def write_synced(path: Path, raw: bytes) -> None:
    """Writes a small file whole, synced."""
    with path.open("wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())
