"""A stored task vector: safetensors of differences, and `delta.json`, which says that they are.

Tensors have the names and shapes of the base; `base` and `model` are the identities of what was subtracted
from what. There is no `config.json`, so nothing takes the folder for a model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from fusec.runtime.kernel import RunError
from fusec.runtime.sources.problems import Unusable
from fusec.runtime.sources.reads import read_header_file
from fusec.runtime.sources.safetensors_header import ModelHeaders, read_model_headers

MANIFEST = "delta.json"
VERSION = 1


class DeltaManifest(Struct, frozen=True):
    """`delta.json`: the model that was taken and the base that was subtracted, by identity."""

    base: str
    model: str
    format: Literal["fusec-delta"] = "fusec-delta"
    version: int = VERSION


def encode_manifest(manifest: DeltaManifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def read_delta_folder(folder: Path) -> ModelHeaders:
    """The tensors of a stored task vector, by their headers. Raises `Unusable`."""
    path = folder / MANIFEST
    try:
        manifest = msgspec.json.decode(read_header_file(path), type=DeltaManifest)
        headers = read_model_headers(folder)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Unusable("damaged", f"{MANIFEST} is not readable: {error}", where=path) from error
    except RunError as error:
        raise Unusable("damaged", error.what, hint=error.hint, where=folder) from error
    if manifest.version > VERSION:
        what = f"{MANIFEST} has version {manifest.version}, newer than {VERSION}, the newest this fusec reads"
        raise Unusable("unsupported", what, hint="use the newer fusec that wrote it", where=path)
    for info in headers.tensors.values():
        if info.dtype not in ("BF16", "F16", "F32"):
            raise Unusable("damaged", f"`{info.name}` of a delta is {info.dtype}", where=folder)
    if not headers.tensors:
        raise Unusable("damaged", "the delta holds no tensor", where=folder)
    return headers
