"""Outputs: an artifact copied to the place that the spec names, whole, and never over a user's own data.

A folder that fusec wrote carries `.fusec.json`, which says what it is a copy of and what its bytes were. The
name starts with a dot, so the marker is no part of the content and no library takes it for data. A single
file cannot carry a marker; the catalog remembers the digests of all files that fusec ever wrote. Either way
something is replaced only if it still holds exactly the bytes that fusec put there, and left alone where it
holds the new ones already.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from fusec.runtime.catalog import Catalog
from fusec.runtime.digest import FolderDigest, content_files, file_digest, folder_digest
from fusec.runtime.durable import (
    copy_file,
    failpoint,
    full_disk_is_clear,
    leased_folder,
    make_folder,
    swap_folder,
    sync_folder,
    sync_tree,
    unswap_folder,
)
from fusec.runtime.export import SUFFIXES, export_data
from fusec.runtime.kernel import Artifact, RunError
from fusec.runtime.trouble import refusals_are_clear

MARKER = ".fusec.json"
_HARMLESS = (MARKER, ".DS_Store")
_MOVE_IT = "move it away, or let the output go to another place"


@dataclass(frozen=True)
class Published:
    """What is at the destination now. `root` is the digest of the folder or of the single file."""

    path: Path
    root: str
    size: int
    state: Literal["written", "replaced", "unchanged"]


class Marker(Struct, frozen=True, kw_only=True):
    """`.fusec.json`: the folder holds `root`, written as `form` from artifact `id` with content `source`."""

    id: str
    kind: str
    form: str
    source: str
    root: str
    lineage: dict[str, Any]


def publish_output(
    artifact: Artifact,
    to: Path,
    *,
    lineage: Mapping[str, Any],
    catalog: Catalog,
    finish: Callable[[Path], None] | None = None,
    fresh: bool = False,
) -> Published:
    """Makes `to` a copy of the artifact, in one step: readers find the old output or the new one.

    model, tokenizer, delta   the folder
    data                      one file for .parquet, .jsonl and .csv, else a folder with `data.parquet`
    report                    one .json file

    `finish` may add files to a folder before it becomes visible, such as a model card. `lineage` is plain
    data for the marker of a folder; keep absolute paths out of it. A `fresh` artifact was hashed a moment ago
    and is not hashed again. An output that already equals the
    artifact stays untouched. Raises `RunError` when `to` holds anything that fusec did not write or that was
    changed since, when the stored artifact is damaged, and when the disk is full or not writable.
    """
    to = Path(os.path.realpath(to))
    form = _form(artifact.kind, to)
    row = catalog.object(artifact.id)
    source = row.digest if row else folder_digest(artifact.path)
    with refusals_are_clear(f"the output {to} cannot be written"):
        make_folder(to.parent)
        with full_disk_is_clear(to, source.size), _workplace(to) as work:
            if form == "folder":
                return _publish_folder(artifact, source, to, work, dict(lineage), catalog, finish, fresh)
            return _publish_file(artifact, source, to, work, form, catalog)


def output_root(to: Path) -> str | None:
    """The digest of the folder or single file at `to`, hashed now; None if nothing is there."""
    if to.is_dir():
        return folder_digest(to).root
    return file_digest(to) if to.exists() else None


def require_form(kind: str, to: Path) -> None:
    """Raises `RunError` when a result of this kind cannot go to a place of this name."""
    if kind == "report" and to.suffix != ".json":
        raise RunError(f"the report cannot go to {to}: a report is one .json file")


def require_replaceable(kind: str, to: Path, catalog: Catalog) -> None:
    """Raises `RunError` when publishing a result of this kind to `to` is sure to be refused.

    A file may still be: it is in the way only if it differs from what will be written there.
    """
    if _form(kind, to) == "folder":
        _replaceable_folder(to, catalog)
    else:
        _file_there(to, catalog)


def _form(kind: str, to: Path) -> str:
    require_form(kind, to)
    if kind == "report":
        return ".json"
    return to.suffix if kind == "data" and to.suffix in SUFFIXES else "folder"


def _workplace(to: Path) -> AbstractContextManager[Path]:
    """A leased folder beside `to`, on the same file system; repairs what a crash left there before."""
    return leased_folder(
        to.with_name(f".{to.name}.fusec"), rescue=lambda leftover: unswap_folder(to, leftover / "old")
    )


def _publish_folder(
    artifact: Artifact,
    source: FolderDigest,
    to: Path,
    work: Path,
    lineage: dict[str, Any],
    catalog: Catalog,
    finish: Callable[[Path], None] | None,
    fresh: bool,
) -> Published:
    before = _replaceable_folder(to, catalog)
    if before is not None and before[0].source == source.root and before[0].kind == artifact.kind:
        return Published(to, before[1].root, before[1].size, "unchanged")
    new = work / "new"
    new.mkdir()
    if artifact.kind == "data":
        export_data(artifact.path / "data.arrow", new / "data.parquet")
    else:
        for name, path in content_files(artifact.path):
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            copy_file(path, new / name)
    if fresh and artifact.kind != "data":
        written = source
    else:
        written = folder_digest(new)
        if artifact.kind != "data":
            _require_undamaged(artifact, source, written)
    if finish is not None:
        before_finish = {new / file.name: (_stat(new / file.name), file.sha256) for file in written.files}
        finish(new)

        def digest(path: Path) -> str:
            stat, sha256 = before_finish.get(path, (None, ""))
            return sha256 if stat == _stat(path) else file_digest(path)

        written = folder_digest(new, digest)
    marker = Marker(
        id=artifact.id,
        kind=artifact.kind,
        form="folder",
        source=source.root,
        root=written.root,
        lineage=lineage,
    )
    (new / MARKER).write_bytes(msgspec.json.format(msgspec.json.encode(marker), indent=2) + b"\n")
    sync_tree(new)
    failpoint("output.staged")
    swap_folder(new, to, aside=work / "old")
    failpoint("output.swapped")
    return Published(to, written.root, written.size, "written" if before is None else "replaced")


def _stat(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _publish_file(
    artifact: Artifact, source: FolderDigest, to: Path, work: Path, form: str, catalog: Catalog
) -> Published:
    before = _file_there(to, catalog)
    if before is not None and catalog.made_from(before, form, source.root):
        return Published(to, before, to.stat().st_size, "unchanged")
    new = work / f"new{form}"
    if form == ".json":
        copy_file(artifact.path / "report.json", new)
        _require_undamaged(artifact, source, folder_digest(artifact.path))
    else:
        export_data(artifact.path / "data.arrow", new)
    sync_tree(work)
    root, size = file_digest(new), new.stat().st_size
    if before is not None and before != root and not catalog.made(before):
        raise RunError(f"{to} exists and fusec did not write it, or it was changed since", hint=_MOVE_IT)
    catalog.add_output(root, form, source.root, artifact.id)
    if before == root:
        return Published(to, root, size, "unchanged")
    failpoint("output.staged")
    os.replace(new, to)
    sync_folder(to.parent)
    failpoint("output.swapped")
    return Published(to, root, size, "written" if before is None else "replaced")


def _replaceable_folder(to: Path, catalog: Catalog) -> tuple[Marker, FolderDigest] | None:
    """Marker and content of the output that may be replaced, or None where there is nothing to lose."""
    if not to.exists() or (to.is_dir() and not any(to.iterdir())):
        return None
    if not (to / MARKER).is_file():
        raise RunError(f"{to} exists and fusec did not write it", hint=_MOVE_IT)
    try:
        marker = msgspec.json.decode((to / MARKER).read_bytes(), type=Marker)
    except msgspec.DecodeError as error:
        raise RunError(f"{to / MARKER} is damaged: {error}", hint=_MOVE_IT) from error
    hidden = sorted(path.relative_to(to).as_posix() for path in to.rglob(".*") if path.name not in _HARMLESS)
    if hidden:
        raise RunError(f"{to} holds {hidden[0]}, which fusec did not write", hint=_MOVE_IT)
    digest = folder_digest(to, catalog.file_digest)
    if digest.root != marker.root:
        raise RunError(f"{to} was changed after fusec wrote it", hint=_MOVE_IT)
    return marker, digest


def _file_there(to: Path, catalog: Catalog) -> str | None:
    """The digest of the file at `to`, None where there is none."""
    if to.is_dir():
        raise RunError(f"{to} is a folder, the output is a single file", hint=_MOVE_IT)
    return catalog.file_digest(to) if to.exists() else None


def _require_undamaged(artifact: Artifact, source: FolderDigest, found: FolderDigest) -> None:
    if found.root != source.root:
        raise RunError(
            f"the stored result {artifact.path} is damaged: its content is no longer {source.root}",
            hint="remove it from the store and run again",
        )
