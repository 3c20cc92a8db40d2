"""What a safetensors model holds, from its headers alone.

Reads no tensor payload and imports no numeric library: `fusec check` comes through here. A header that
is accepted is right in every detail, so nobody behind this border checks names, ranges or lengths again.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from fusec.runtime.kernel import RunError
from fusec.runtime.ranges.addresses import shown
from fusec.runtime.ranges.standin import is_there, read_stand_in

T = TypeVar("T")

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"

# The format's own limit; it also bounds what a lying length can make us allocate.
HEADER_LIMIT = 100_000_000

BITS = {
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "U16": 16, "I16": 16, "F16": 16, "BF16": 16,
    "U32": 32, "I32": 32, "F32": 32,
    "U64": 64, "I64": 64, "F64": 64, "C64": 64,
}  # fmt: skip

_BROKEN = "download or export the file again: it is damaged or was cut short"


class TensorInfo(Struct, frozen=True):
    """One stored tensor; `start` and `end` are bytes of the file, not of its data section."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.end - self.start


class Header(Struct, frozen=True):
    """One safetensors file: its tensors in byte order, which fill it from `data_start` to `size`."""

    tensors: tuple[TensorInfo, ...]
    metadata: dict[str, str]
    data_start: int
    size: int


class ModelHeaders(Struct, frozen=True):
    """All tensors of a model folder, by name in sorted order, whatever its shards are."""

    folder: Path
    files: dict[str, Header]
    tensors: dict[str, TensorInfo]
    file_of: dict[str, str]

    def path_of(self, tensor: str) -> Path:
        return self.folder / self.file_of[tensor]

    @property
    def bytes(self) -> int:
        return sum(info.bytes for info in self.tensors.values())


class _Entry(Struct, forbid_unknown_fields=True):
    dtype: str
    shape: list[Annotated[int, Meta(ge=0)]]
    data_offsets: tuple[Annotated[int, Meta(ge=0)], Annotated[int, Meta(ge=0)]]


def read_model_headers(folder: Path) -> ModelHeaders:
    """The headers of a Hugging Face folder, single-file or sharded, its index checked against the shards.

    Raises RunError naming the file, and the tensor where there is one.
    """
    # The same preference as the Transformers loader, so both see the same model.
    if is_there(folder / SINGLE):
        return _gather(folder, {SINGLE: read_header(folder / SINGLE)})
    if not (folder / INDEX).is_file():
        pickles = any(folder.glob("*.bin")) or any(folder.glob("*.pt"))
        hint = "save it again with save_pretrained(..., safe_serialization=True)" if pickles else ""
        raise RunError(f"{folder} holds neither {SINGLE} nor {INDEX}", hint=hint)
    index = _read_index(folder / INDEX)
    shards = sorted(set(index.values()))
    for shard in shards:
        if Path(shard).name != shard:
            raise RunError(f"{folder / INDEX} names the shard {shard!r}, which is not a file of its folder")
        if not is_there(folder / shard):
            raise RunError(f"{folder / INDEX} names the shard {shard}, which is missing", hint=_BROKEN)
    model = _gather(folder, {shard: read_header(folder / shard) for shard in shards})
    _check_index(folder / INDEX, index, model)
    return model


def read_header(path: Path) -> Header:
    """The checked header of one file, also of one that another stands in for.

    Raises RunError naming the file, and the tensor where there is one.
    """
    try:
        stand_in = read_stand_in(path)
        if stand_in is not None:
            return parse_header(stand_in.header, stand_in.size, shown(stand_in.address))
        size = path.stat().st_size
        with path.open("rb") as file:
            if hasattr(os, "posix_fadvise"):  # the system would read on into tensors that nobody wants
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
            raw = file.read(header_length(file.read(8), size, str(path)))
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}") from error
    return parse_header(raw, size, str(path))


def header_length(prefix: bytes, size: int, where: str) -> int:
    """Bytes of the JSON text behind the first 8 of a file of `size` bytes. RunError if it has not so many."""
    length = int.from_bytes(prefix, "little")
    if len(prefix) < 8 or length > min(HEADER_LIMIT, size - 8):
        raise RunError(_length_problem(where, size, length), hint=_BROKEN)
    return length


def parse_header(raw: bytes, size: int, where: str) -> Header:
    """The checked header whose JSON text is `raw`, of a file of `size` bytes that messages call `where`."""
    data_start = 8 + len(raw)
    fields = _json_object(raw, f"the header of {where}")
    metadata = _convert(fields.pop("__metadata__", {}), dict[str, str], f"{where}: `__metadata__`")
    tensors = [_tensor(name, entry, data_start, where) for name, entry in fields.items()]
    tensors.sort(key=lambda t: (t.start, t.end, t.name))
    at = data_start
    for t in tensors:
        if t.start != at:
            problem = "overlaps its neighbour" if t.start < at else "leaves a gap before it"
            raise RunError(f"{where}: tensor `{t.name}` {problem} at byte {t.start}", hint=_BROKEN)
        if t.end > size:
            raise RunError(
                f"{where}: tensor `{t.name}` ends at byte {t.end} of a file of {size} bytes", hint=_BROKEN
            )
        at = t.end
    if at != size:
        raise RunError(f"{where} has {size - at} bytes after its last tensor", hint=_BROKEN)
    return Header(tuple(tensors), metadata, data_start, size)


def _tensor(name: str, entry: Any, data_start: int, where: str) -> TensorInfo:
    here = f"{where}: tensor `{name}`"
    e = _convert(entry, _Entry, here)
    if e.dtype not in BITS:
        raise RunError(f"{here} has the unknown dtype {e.dtype!r}")
    start, end = e.data_offsets
    bits = math.prod(e.shape) * BITS[e.dtype]
    if bits % 8 or end - start != bits // 8:
        raise RunError(
            f"{here} takes {end - start} bytes, but shape {e.shape} of {e.dtype} needs {bits / 8:g}",
            hint=_BROKEN,
        )
    return TensorInfo(name, e.dtype, tuple(e.shape), data_start + start, data_start + end)


def _gather(folder: Path, files: dict[str, Header]) -> ModelHeaders:
    found: dict[str, tuple[str, TensorInfo]] = {}
    for file, header in files.items():
        for info in header.tensors:
            if info.name in found:
                raise RunError(f"{folder / file}: tensor `{info.name}` is also in {found[info.name][0]}")
            found[info.name] = (file, info)
    names = sorted(found)
    return ModelHeaders(folder, files, {n: found[n][1] for n in names}, {n: found[n][0] for n in names})


def _check_index(path: Path, index: Mapping[str, str], model: ModelHeaders) -> None:
    for name, shard in sorted(index.items()):
        if model.file_of.get(name) != shard:
            raise RunError(
                f"{path} promises tensor `{name}` in {shard}, which does not hold it", hint=_BROKEN
            )
    for name, shard in model.file_of.items():
        if name not in index:
            raise RunError(f"{path.parent / shard}: tensor `{name}` is not in {path.name}", hint=_BROKEN)


def _read_index(path: Path) -> dict[str, str]:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}") from error
    fields = _json_object(raw, str(path))
    index = _convert(fields.get("weight_map"), dict[str, str], f"{path}: `weight_map`")
    if not index:
        raise RunError(f"{path} lists no tensor")
    return index


def _length_problem(where: str, size: int, length: int) -> str:
    if size < 8:
        return f"{where} has {size} bytes, too few for a safetensors file"
    if length > HEADER_LIMIT:
        return f"{where} announces a header of {length} bytes, over the format's limit of {HEADER_LIMIT}"
    return f"{where} announces a header of {length} bytes, but has {size} bytes in all"


def _json_object(raw: bytes, what: str) -> dict[str, Any]:
    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise RunError(f"{what} is not valid JSON: {error}", hint=_BROKEN) from error
    if not isinstance(value, dict):
        raise RunError(f"{what} is not a JSON object", hint=_BROKEN)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # A plain decoder keeps the last of two equal names and so hides a tensor.
    fields = dict(pairs)
    if len(fields) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"`{twice}` appears twice")
    return fields


def _convert(value: Any, kind: type[T], what: str) -> T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise RunError(f"{what} is malformed: {error}", hint=_BROKEN) from error
