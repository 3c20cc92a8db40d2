"""From an address to files on this machine; `remote.py` has the addresses of other machines.

Names inside a source are relative to its root, so they are the same wherever the root lies.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from fusec.compiler.facts import SourceRequest
from fusec.runtime.ranges.addresses import remote_scheme
from fusec.runtime.ranges.standin import SUFFIX
from fusec.runtime.sources import hub
from fusec.runtime.sources.packages import package_folder, package_licence
from fusec.runtime.sources.problems import Unusable

MODEL_FILES = (
    "*.safetensors",
    "*.safetensors.index.json",
    "config.json",
    "generation_config.json",
    "adapter_config.json",
)
DELTA_FILES = (
    "adapter_config.json",
    "adapter_model.safetensors",
    "delta.json",
    "model*.safetensors",
    "model.safetensors.index.json",
)
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "chat_template.*",
)
CARD = "README.md"
_WANTED = {
    "model": ((*MODEL_FILES, *TOKENIZER_FILES), "config.json"),
    "delta": (DELTA_FILES, "adapter_config.json"),
    "tokenizer": (TOKENIZER_FILES, "tokenizer files"),
}
"""Files of a folder by kind, and what is missing where there is none."""
_SIGN = {"delta": "`adapter_config.json` or `delta.json`"}
DATA_SUFFIXES = (".txt", ".md", ".rst", ".py", ".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")

_GLOB = re.compile(r"[*?\[]")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")


class SourceFile(NamedTuple):
    name: str
    path: Path
    size: int


class Located(NamedTuple):
    """The files of a source in reading order (sorted by name)."""

    root: Path
    files: tuple[SourceFile, ...]
    licence: str | None = None
    revision: str | None = None
    config: str | None = None

    def file(self, name: str) -> SourceFile | None:
        return next((file for file in self.files if file.name == name), None)


def is_remote(request: SourceRequest) -> bool:
    """Whether a source is a folder on another machine; an endpoint is none, and data is read from here."""
    elsewhere = remote_scheme(request.uri) not in (None, "hf", "pkg") and not request.is_endpoint
    return elsewhere and request.kind != "data"


def locate(request: SourceRequest, base: Path, *, download: bool = False) -> Located:
    """Finds the files of a request; relative paths start at `base`, the folder of the spec.

    Raises `Unusable` where something is missing, empty, of an unknown scheme, or outside its root.
    """
    scheme = _SCHEME.match(request.uri)
    if scheme is None:
        return _from_path(request, base / _at_home(request))
    match scheme[1]:
        case "file":
            parts = urlsplit(request.uri)
            if parts.netloc not in ("", "localhost"):
                raise Unusable(
                    "scheme",
                    f"`{request.uri}` names another machine",
                    hint="a local file is written `file:///folder/name`",
                    where=request.uri,
                )
            return _from_path(request, Path(unquote(parts.path)))
        case "hf":
            return _from_hub(request, download)
        case "pkg":
            return _from_package(request)
    raise Unusable(
        "scheme",
        f"`{scheme[1]}:` is not a scheme that sources can read",
        hint="use a path, `file://`, `hf:owner/name`, `pkg:name/glob`, `https://` or `s3://`",
        where=request.uri,
    )


def _at_home(request: SourceRequest) -> Path:
    try:
        return Path(request.uri).expanduser()
    except RuntimeError as error:  # a `~` that is nobody's
        raise Unusable("missing", f"`{request.uri}`: {error}", where=request.uri) from error


def _from_path(request: SourceRequest, path: Path) -> Located:
    if path.is_dir():
        return _folder(request, path)
    if path.is_file() and request.kind == "data":
        return Located(path.parent, _files(path.parent, [path]))
    if path.is_file():
        raise Unusable(
            "unsupported",
            f"`{request.uri}` is a file, a {request.kind} is a folder",
            hint=f"name the folder that holds {_SIGN.get(request.kind, '`config.json` or `tokenizer.json`')}",
            where=path,
        )
    if path.is_symlink():
        raise Unusable(
            "missing",
            f"`{request.uri}` is a link to {os.readlink(path)}, which does not exist",
            hint="mend the link, or name the place itself",
            where=path,
        )
    if path.exists():
        raise Unusable(
            "missing",
            f"`{request.uri}` is neither a file nor a folder",
            hint="write what it gives to a file first",
            where=path,
        )
    parts = path.parts
    first = next((i for i, part in enumerate(parts) if _GLOB.search(part)), None)
    if first is None or request.kind != "data":
        raise Unusable("missing", f"`{request.uri}` does not exist", hint=_nearby(path), where=path)
    return _glob(request, Path(*parts[:first]), "/".join(parts[first:]))


def _from_package(request: SourceRequest) -> Located:
    name, _, pattern = request.uri.removeprefix("pkg:").partition("/")
    if PurePosixPath(pattern).is_absolute() or ".." in PurePosixPath(pattern).parts:
        raise Unusable(
            "missing",
            f"`{request.uri}` leads out of the package",
            hint="name files below the package folder",
            where=request.uri,
        )
    folder = package_folder(name)
    if request.kind == "data":
        return _glob(request, folder, pattern or "*")._replace(licence=package_licence(name))
    return _folder(request, folder / pattern)


def _from_hub(request: SourceRequest, download: bool) -> Located:
    address = hub.parse_address(request.uri)
    patterns = {
        "model": (*MODEL_FILES, *TOKENIZER_FILES, CARD),
        "delta": (*DELTA_FILES, CARD),
        "tokenizer": TOKENIZER_FILES,
        "data": (*(f"*{suffix}" for suffix in DATA_SUFFIXES), CARD),
    }[request.kind]
    kind: hub.RepoKind = "dataset" if request.kind == "data" else "model"
    root = hub.snapshot(address, kind, patterns, download=download)
    return _folder(request, root)._replace(revision=root.name, config=address.config)


def _folder(request: SourceRequest, root: Path) -> Located:
    """The files of a folder that matter to the kind; the model card does not change a model."""
    if request.kind == "data":
        found = [p for p in root.rglob("*") if p.suffix in DATA_SUFFIXES and _visible(p, root)]
        found = [p for p in found if p.name != CARD]
        expected = "data files"
    else:
        wanted, expected = _WANTED[request.kind]
        found = sorted({p for pattern in wanted for p in root.glob(pattern)})
    files = _files(root, [p for p in found if p.is_file()])
    if not files:
        raise Unusable("missing", f"`{request.uri}` holds no {expected}", where=root)
    strange = min(root.glob(f"*{SUFFIX}"), default=None)
    if strange is not None:
        what = f"{strange.name} stands in for weights elsewhere, which only fusec's own store may hold"
        raise Unusable("damaged", what, hint="name the place that the weights are in", where=strange)
    return Located(root, files)


def _glob(request: SourceRequest, root: Path, pattern: str) -> Located:
    matches = [p for p in root.glob(pattern) if p.is_file() and _visible(p, root)] if root.is_dir() else []
    if not matches:
        raise Unusable(
            "missing", f"no file matches `{request.uri}`", hint=_nearby(root / pattern), where=root
        )
    return Located(root, _files(root, matches))


def _files(root: Path, paths: list[Path]) -> tuple[SourceFile, ...]:
    named = sorted((path.relative_to(root).as_posix(), path) for path in paths)
    return tuple(SourceFile(name, path, path.stat().st_size) for name, path in named)


def _visible(path: Path, root: Path) -> bool:
    parts = path.relative_to(root).parts
    return not any(part.startswith(".") or part == "__pycache__" for part in parts)


def _nearby(path: Path) -> str:
    """Says where the path stops to exist, and what is there instead."""
    here = path.parent
    while not here.is_dir():
        here = here.parent
    names = sorted(entry.name + "/" * entry.is_dir() for entry in os.scandir(here))
    shown = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
    return f"{here} holds {shown}" if names else f"{here} is empty"
