"""Installed packages that bring verbs: found by their entry points, hashed, loaded.

What a package is stays what it was when this process first asked: its code is imported once, so a file
that is edited meanwhile counts from the next start.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.machinery import all_suffixes
from pathlib import Path

from fusec.compiler.extensions import GROUP, Installed, blame, load
from fusec.compiler.ir import Node
from fusec.compiler.packages import Extension, PackagePin, PackageProblem, loaded
from fusec.lang.codes.fuse504_package_differs import PackageDiffers
from fusec.runtime.digest import FileEntry, digest_of, file_digest
from fusec.runtime.kernel import RunError
from fusec.runtime.trouble import refused


def installed(name: str) -> Extension | PackageProblem:
    """The verbs of a distribution, however its name is written; a problem where it gives none."""
    return _installed(_plain(name))


def packages_with_verbs() -> dict[str, str]:
    """Every installed distribution with entry points in `fusec.steps`, by these and by its own name."""
    found: dict[str, str] = {}
    for point in importlib.metadata.entry_points(group=GROUP):
        if point.dist is not None:
            name = _plain(point.dist.name)
            found |= {name: name, point.name: name}
    return found


def require_packages(pins: Iterable[PackagePin]) -> None:
    """Load the packages that a plan was made with. Raises `RunError` where one is absent or another."""
    for pin in sorted(set(pins)):
        found = installed(pin.name)
        if isinstance(found, PackageProblem):
            here = f"{found.what} on this machine"
            raise refused(PackageDiffers(pin.short, here, f"`pip install {pin.name}=={pin.version}`"))
        if found.pin != pin:
            other = f"install version {pin.version}" if found.pin.version != pin.version else "undo the edits"
            hint = f"{other} to run it as it was planned, or plan again"
            raise refused(PackageDiffers(pin.short, f"{found.pin.short} is installed here", hint))


@contextmanager
def packages_are_named(node: Node) -> Iterator[None]:
    """Turns what the code of a package raises in a kernel into a `RunError` that names package and line.

    For a node without packages everything passes: it is a mistake of ours and needs its traceback.
    """
    try:
        yield
    except (RunError, OSError, MemoryError):
        raise
    except Exception as error:
        if not node.packages:
            raise
        extensions = [found for pin in node.packages if (found := loaded(pin.name))]
        names = " and ".join(f"{pin.name} {pin.version}" for pin in node.packages)
        what = blame(error, frozenset().union(*(extension.modules for extension in extensions)))
        raise RunError(
            f"`{node.name}` failed in the code of {names}: {what}",
            hint="the package has a mistake, or refuses what it was given",
        ) from error


@cache
def _installed(name: str) -> Extension | PackageProblem:
    try:
        distribution = importlib.metadata.distribution(name)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return PackageProblem("missing", "no such package is installed", _known())
    modules = [point.module for point in distribution.entry_points if point.group == GROUP]
    if not modules:
        return PackageProblem("empty", f"the package has no entry point in `{GROUP}`", _known())
    try:
        files = dict(file for module in modules for file in _files(module))
        entries = (FileEntry(name, path.stat().st_size, file_digest(path)) for name, path in files.items())
        pin = PackagePin(name, distribution.version, digest_of(entries).root)
    except ImportError as error:
        return PackageProblem("broken", f"its entry point cannot be found: {error}")
    except (RunError, OSError) as error:
        return PackageProblem("broken", f"its files cannot be read: {error}")
    return load(Installed(pin, tuple(modules), frozenset(map(_module, files))))


def _files(module: str) -> Iterator[tuple[str, Path]]:
    """The files of the package or module at the root of `module`, named from there; runs none of them."""
    parts = module.split(".")
    for depth in range(1, len(parts) + 1):
        root = ".".join(parts[:depth])
        spec = importlib.util.find_spec(root)
        if spec is None:
            raise ImportError(f"there is no module `{root}`")
        if not spec.has_location:  # a namespace that several distributions share
            continue
        assert spec.origin is not None
        origin, place = Path(spec.origin), root.replace(".", "/")
        if spec.submodule_search_locations is None:
            yield f"{place}{origin.name.removeprefix(parts[depth - 1])}", origin
            return
        for path in sorted(origin.parent.rglob("*")):
            inside = path.relative_to(origin.parent)
            if path.is_file() and "__pycache__" not in inside.parts:
                yield f"{place}/{inside.as_posix()}", path
        return
    raise ImportError(f"`{module}` holds no code")


def _module(file: str) -> str:
    """What the file is imported as; a name that nothing imports for data."""
    stem = next((file.removesuffix(end) for end in all_suffixes() if file.endswith(end)), "")
    return stem.removesuffix("/__init__").replace("/", ".")


def _known() -> tuple[str, ...]:
    return tuple(sorted(set(packages_with_verbs().values())))


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name).lower()
