"""Parameter files: values for the `param`s of a spec, in TOML.

A string is the text of a value: `reads = "16 GB"` gives a Size, `lang = "en"` a Str, `sizes = ["1 GB"]` a
list of sizes. Numbers, booleans, arrays and tables are themselves.
"""

from __future__ import annotations

import re
import tomllib
from math import isfinite
from pathlib import Path
from typing import Any

from fusec.compiler.settings import Placed
from fusec.lang.source import Source
from fusec.lang.strings import quote
from fusec.runtime.kernel import RunError
from fusec.runtime.toml_places import Place, places


def read_params(path: Path) -> dict[str, str]:
    """The values of a file by name. Raises `RunError` naming the file, and the place where TOML fails."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}", hint="look at the path") from None
    except UnicodeDecodeError as error:
        what = f"{path} is not UTF-8: byte {error.start} cannot be read"
        raise RunError(what, hint="save it as UTF-8") from None
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        what, _, where = str(error).partition(" (at ")
        place = ":".join(re.findall(r"[0-9]+", where)) or str(text.count("\n") + 1)
        hint = 'write lines such as `reads = "16 GB"`'
        raise RunError(f"{path}:{place}: not TOML: {what}", hint=hint) from None
    except RecursionError:
        raise RunError(f"{path}: nests too deep", hint="parameters are values, lists and maps") from None
    source = Source(str(path), text)
    found = places(source)
    return {name: _placed(source, name, value, found[name]) for name, value in values.items()}


def setting_text(value: Any, *, inside: bool = False) -> str:
    """A Python value as `--set` takes it: text stays, the rest is written in the language.

    Raises `ValueError` for what the language has no literal of.
    """
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return quote(value) if inside else value
        case int() | float() if isfinite(value):
            return str(value)
        case list() | tuple():
            return f"[{', '.join(setting_text(item, inside=True) for item in value)}]"
        case dict():
            pairs = (f"{quote(str(key))}: {setting_text(item, inside=True)}" for key, item in value.items())
            return f"[{', '.join(pairs)}]"
    raise ValueError(f"`{value}` has no literal")


def _placed(source: Source, name: str, value: Any, place: Place) -> Placed:
    try:
        text = setting_text(value)
    except ValueError as error:
        raise RunError(f"{place.value}: `{name}` cannot be used: {error}", hint="write it as text") from None
    at = place.value
    inner = source.span(at.start + 1, at.end - 1)
    if isinstance(value, str) and inner.text == text:
        at = inner
    return Placed.at(text, place.name, at, f"`{name}` in {source.name}")
