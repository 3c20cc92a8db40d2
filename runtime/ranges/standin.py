"""Stand-ins: what a folder holds in place of weights that stay where they are.

`model.safetensors.elsewhere` beside no `model.safetensors` says where that file is and what its header says.
Whoever opens the file itself finds none, so nobody takes a stand-in for weights by mistake. Only fusec makes
stand-ins, below its store: in anybody else's folder they are refused where sources are looked for, so that
no model can send a reader to an address of its choice.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

SUFFIX = ".elsewhere"


class StandIn(Struct, frozen=True):
    """Where a file is, what it was when it was looked at, and the JSON text of its safetensors header.

    One without a version shows its header and is never read through.
    """

    address: str
    size: int
    version: str | None
    header: bytes


def write_stand_in(path: Path, stand_in: StandIn) -> None:
    """Writes the stand-in of the file `path`, not synced."""
    _beside(path).write_bytes(msgspec.msgpack.encode(stand_in))


def read_stand_in(path: Path) -> StandIn | None:
    """What stands in for the file `path`; None where nothing does."""
    try:
        return msgspec.msgpack.decode(_beside(path).read_bytes(), type=StandIn)
    except FileNotFoundError:
        return None


def is_there(path: Path) -> bool:
    """Whether there is a file, or something stands in for it."""
    return path.is_file() or _beside(path).is_file()


def origin_of(folder: Path) -> str | None:
    """The address of the folder that a folder with stand-ins was made of; None for any other."""
    found = min(folder.glob(f"*{SUFFIX}"), default=None)
    stand_in = None if found is None else read_stand_in(found.with_name(found.name.removesuffix(SUFFIX)))
    return None if stand_in is None else stand_in.address.rpartition("/")[0]


def _beside(path: Path) -> Path:
    return path.with_name(path.name + SUFFIX)
