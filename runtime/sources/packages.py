"""`pkg:NAME/glob`: files of an installed Python package, found without importing it."""

from __future__ import annotations

import importlib.util
import sys
import sysconfig
from pathlib import Path

from fusec.runtime.sources.problems import Unusable

STANDARD_LIBRARY = "stdlib"
STANDARD_LICENCE = "PSF-2.0"


def package_folder(name: str) -> Path:
    """The folder of a top-level package; `stdlib` is the top level of the standard library."""
    library = Path(sysconfig.get_path("stdlib"))
    if name == STANDARD_LIBRARY:
        return library
    if name in sys.stdlib_module_names and (library / name).is_dir():
        return library / name
    spec = importlib.util.find_spec(name) if name.isidentifier() else None
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        return Path(folder)
    raise Unusable(
        "missing",
        f"there is no Python package `{name}` in this environment",
        hint=f"install it, or write `pkg:stdlib/{name}.py` for a module of the standard library",
        where=sys.prefix,
    )


def package_licence(name: str) -> str | None:
    standard = name == STANDARD_LIBRARY or name in sys.stdlib_module_names
    return STANDARD_LICENCE if standard else None
