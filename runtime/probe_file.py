"""Where the probe of a machine lies: one file in the store, replaced by the next probe."""

from __future__ import annotations

from pathlib import Path

import msgspec

from fusec.compiler.measured import Probe
from fusec.runtime.kernel import RunError

NAME = "probe.json"


def read_probe(store: Path) -> Probe | None:
    """The probe of a store, None before the first. Raises `RunError` when the file is damaged."""
    path = store / NAME
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        return msgspec.json.decode(data, type=Probe)
    except msgspec.DecodeError as error:
        raise RunError(
            f"{path} is not a probe: {error}", hint="measure again with `fusec doctor --probe`"
        ) from None


def write_probe(store: Path, probe: Probe) -> Path:
    """Keeps a probe durably; gives its path."""
    from fusec.runtime.durable import write_file

    path = store / NAME
    write_file(path, msgspec.json.format(msgspec.json.encode(probe), indent=1) + b"\n")
    return path
