"""What a machine and a store have for fusec, and what is missing, in plain words."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from msgspec import Struct

import fusec
from fusec.compiler.measured import Probe
from fusec.runtime.catalog import read_estimates
from fusec.runtime.hardware import hardware
from fusec.runtime.kernel import RunError
from fusec.runtime.probe_file import read_probe

LIBRARIES = ("torch", "transformers", "tokenizers", "safetensors", "pyarrow", "numpy")


class Device(Struct, frozen=True):
    """A processor or an accelerator; `memory` in bytes, None where the system does not tell."""

    name: str
    memory: int | None


class StoreHealth(Struct, frozen=True):
    """`results` and `runs` are counts, `steps` those that plans learn from, `free` bytes on its disk."""

    path: str
    results: int
    runs: int
    steps: int
    free: int


class Health(Struct, frozen=True):
    """`missing` are sentences, each with what to do about it; empty when nothing is."""

    fusec: str
    python: str
    libraries: dict[str, str]
    devices: tuple[Device, ...]
    store: StoreHealth | None
    probe: Probe | None
    missing: tuple[str, ...]


def health(store: Path) -> Health:
    """Looks and changes nothing; a store that cannot be read is told as missing."""
    missing = []
    libraries = {name: known for name in LIBRARIES if (known := _version(name))}
    for name in LIBRARIES:
        if name not in libraries:
            missing.append(f"{name} is not installed: `pip install {name}`")
    devices, trouble = _devices()
    missing += trouble
    found: StoreHealth | None = None
    probe: Probe | None = None
    try:
        found = _store(store)
        probe = read_probe(store) if found is not None else None
    except RunError as error:
        missing.append(f"{error.what}: {error.hint}" if error.hint else error.what)
    else:
        if found is None:
            missing.append(f"there is no store at {store}: the first run beside a spec makes one")
        elif probe is None:
            missing.append("speeds were never measured: `fusec doctor --probe` does it")
        elif probe.hardware != hardware():
            missing.append(f"speeds were measured on {probe.hardware}: `fusec doctor --probe` does it here")
    return Health(
        fusec.__version__, platform.python_version(), libraries, devices, found, probe, tuple(missing)
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _devices() -> tuple[tuple[Device, ...], list[str]]:
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        memory = None
    found = [Device(hardware(), memory)]
    if importlib.util.find_spec("torch") is None:
        return tuple(found), []
    import torch

    for at in range(torch.cuda.device_count()):
        about = torch.cuda.get_device_properties(at)
        found.append(Device(about.name, about.total_memory))
    if len(found) > 1:
        return tuple(found), []
    why = "no GPU was found" if torch.version.cuda else "this torch is built without GPUs"
    return tuple(found), [f"{why}: training and scoring run on processors"]


def _store(path: Path) -> StoreHealth | None:
    catalog = path / "catalog.db"
    if not path.is_dir():
        return None
    return StoreHealth(
        str(path),
        results=sum(1 for _ in path.glob("objects/*/*")),
        runs=sum(1 for _ in path.glob("runs/*")),
        steps=len(read_estimates(catalog, 1_000_000)) if catalog.is_file() else 0,
        free=shutil.disk_usage(path).free,
    )
