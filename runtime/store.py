"""The store: immutable results by identity, published whole or not at all.

    objects/<kind>/<id>/   exactly the files of a result, read-only; loads as it is
    staging/<id>/          one result in the making, leased by staging/<id>.lock
    refs/<name>            a human name -> an id
    runs/<id>/             plan, events, manifest of a run
    catalog.db             the index

An object is there when its folder is there: the folder arrives by one rename, after every byte of it is
synced. Everything about it (digest, files) is in the catalog and can be had again by hashing.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import get_args
from urllib.parse import quote, unquote

from fusec.lang.codes.fuse406_bytes_differ import BytesDiffer
from fusec.runtime.catalog import Catalog, RunState
from fusec.runtime.digest import FolderDigest, folder_digest
from fusec.runtime.durable import (
    Waiting,
    failpoint,
    file_lock,
    full_disk_is_clear,
    leased_folder,
    lock_if_free,
    make_folder,
    remove_tree,
    sync_folder,
    sync_tree,
    write_file,
)
from fusec.runtime.kernel import Artifact, Kind, RunError
from fusec.runtime.trouble import refusals_are_clear, refused

_KINDS: tuple[Kind, ...] = get_args(Kind)
_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")


@dataclass(frozen=True)
class Recovery:
    """What opening a store put right: ids, sorted."""

    dropped_staging: tuple[str, ...] = ()
    rolled_forward: tuple[str, ...] = ()
    dropped_rows: tuple[str, ...] = ()
    interrupted_runs: tuple[str, ...] = ()


class Store:
    """An open store. Several processes and threads may use one store at the same time."""

    def __init__(self, root: Path) -> None:
        """Opens the store at `root`, makes it if it is new, and recovers what a crash left.

        Raises `RunError` when it cannot be written, or when the catalog is damaged or newer than this fusec.
        """
        self.root = root
        with refusals_are_clear(f"the store {root} cannot be opened"):
            for folder in ("staging", "refs", "runs", *(f"objects/{kind}" for kind in _KINDS)):
                make_folder(root / folder)
            with file_lock(root / "open.lock"):
                self.catalog = Catalog(root / "catalog.db")
                self.recovery = self._recover()

    def close(self) -> None:
        self.catalog.close()

    @property
    def remote(self) -> Path:
        """Where sources of other machines come to: made when the first one does, and good to remove."""
        return self.root / "remote"

    # --- results --------------------------------------------------------------------------------------------

    def has(self, id: str) -> bool:
        return self.get(id) is not None

    def get(self, id: str) -> Artifact | None:
        """The result with this identity, complete, or None."""
        _check_id(id)
        for kind in _KINDS:
            path = self._object(kind, id)
            if path.is_dir():
                return Artifact(kind, path, id)
        return None

    @contextmanager
    def stage(self, id: str, waiting: Waiting = lambda pid: None) -> Iterator[Path]:
        """An empty folder to make the result `id` in; at most one process or thread has it at a time.

        Waits while another one makes the same result, so look again inside:

            with store.stage(id) as folder:
                artifact = store.get(id)
                if artifact is None:
                    ...  # fill the folder
                    artifact = store.publish(kind, id, folder)

        Whatever was not published is removed at the end. A full disk inside becomes a `RunError`.
        """
        _check_id(id)
        folder = self._staging(id)
        with full_disk_is_clear(folder), leased_folder(folder, waiting=waiting):
            yield folder

    def publish(self, kind: Kind, id: str, staged: Path, *, run: str | None = None) -> Artifact:
        """Moves the staged folder to its immutable place, durably; call it inside `stage(id)`.

        Names that start with a dot (caches of libraries) are left behind. If the result is there already
        with the same content, the staged one is dropped; with other content that is a `RunError`.
        """
        assert staged == self._staging(id), "publish what stage(id) gave"
        digest = _seal(staged)
        failpoint("publish.sealed")
        existing = self.get(id)
        if existing is not None:
            known = self.digest(id)
            if known.root != digest.root:
                hint = f"the result at {existing.path} stays; the step is not deterministic on this machine"
                raise refused(BytesDiffer(id, known.root, digest.root, hint))
            return existing
        path = self._object(kind, id)
        os.rename(staged, path)
        failpoint("publish.renamed")
        sync_folder(path.parent)
        self.catalog.add_object(kind, id, digest, run)
        failpoint("publish.recorded")
        return Artifact(kind, path, id)

    def digest(self, id: str) -> FolderDigest:
        """The content of a stored result as recorded when it was published; `verify` looks at the disk."""
        row = self.catalog.object(id)
        return row.digest if row else self._record(self._stored(id))

    def verify(self, id: str) -> tuple[str, ...]:
        """The files of a stored result that are missing, added or changed: hashes everything again."""
        recorded = {file.name: file for file in self.digest(id).files}
        found = {file.name: file for file in folder_digest(self._stored(id).path).files}
        return tuple(sorted(n for n in recorded.keys() | found.keys() if recorded.get(n) != found.get(n)))

    def discard(self, id: str) -> None:
        """Removes a result, for instance a damaged one; gone at once, no half of it is ever visible.

        Waits for a process that holds `stage(id)`, so never call it inside.
        """
        with leased_folder(self._staging(id)) as trash:
            os.rename(self._stored(id).path, trash / "object")
            failpoint("discard.moved")
            self.catalog.drop_object(id)

    # --- names ----------------------------------------------------------------------------------------------

    def ref(self, name: str) -> str | None:
        """The id that a human name stands for, or None."""
        path = self._ref(name)
        return path.read_text() if path.exists() else None

    def set_ref(self, name: str, id: str) -> None:
        """Lets `name` stand for `id`; a reader finds the old id or the new one."""
        _check_id(id)
        with file_lock(self.root / "refs.lock"):
            write_file(self._ref(name), id.encode())

    def refs(self) -> dict[str, str]:
        """All names and their ids, by name."""
        paths = _ours(self.root / "refs")
        return dict(sorted((unquote(path.name), path.read_text()) for path in paths))

    # --- runs -----------------------------------------------------------------------------------------------

    def run_folder(self, run: str) -> Path:
        """Where plan, events and manifest of a run are."""
        _check_id(run)
        return self.root / "runs" / run

    @contextmanager
    def run(self, run: str, spec: str) -> Iterator[Path]:
        """The new folder of a run, which counts as running until the block ends.

        Call `catalog.finish_run` at the end of the block. A block that an exception ends leaves the run
        failed, or interrupted when it was cancelled or its process died.
        """
        folder, start = self.run_folder(run), time.monotonic()
        folder.mkdir()
        with file_lock(folder / "lock"):
            self.catalog.start_run(run, spec)
            try:
                yield folder
            except BaseException as error:
                state: RunState = "failed" if isinstance(error, Exception) else "interrupted"
                self.catalog.finish_run(run, state, time.monotonic() - start, None)
                raise

    # --- inside ---------------------------------------------------------------------------------------------

    def _recover(self) -> Recovery:
        """Brings disk and catalog to one story. Leaves alone whatever a living process holds."""
        staging, rolled, rows, runs = set(), set(), set(), set()
        for id in {path.name.removesuffix(".lock") for path in _ours(self.root / "staging")}:
            with lock_if_free(self._lock(id)) as free:
                if free:
                    remove_tree(self._staging(id))
                    staging.add(id)
        known = {row.id for row in self.catalog.objects()}
        for id in known:
            if not self.has(id):
                self.catalog.drop_object(id)
                rows.add(id)
        for kind in _KINDS:
            for path in _ours(self.root / "objects" / kind):
                if path.name not in known:
                    with lock_if_free(self._lock(path.name)) as free:
                        if free and path.is_dir():
                            self._record(Artifact(kind, path, path.name))
                            rolled.add(path.name)
        for row in self.catalog.runs():
            if row.state == "running":
                lock = self.run_folder(row.id) / "lock"
                with lock_if_free(lock) if lock.exists() else nullcontext(True) as free:
                    if free:
                        self.catalog.finish_run(row.id, "interrupted", None, None)
                        runs.add(row.id)
        return Recovery(*(tuple(sorted(found)) for found in (staging, rolled, rows, runs)))

    def _record(self, artifact: Artifact) -> FolderDigest:
        digest = folder_digest(artifact.path)
        self.catalog.add_object(artifact.kind, artifact.id, digest, None)
        return digest

    def _stored(self, id: str) -> Artifact:
        artifact = self.get(id)
        if artifact is None:
            raise RunError(f"{id} is not in the store {self.root}")
        return artifact

    def _object(self, kind: Kind, id: str) -> Path:
        return self.root / "objects" / kind / id

    def _staging(self, id: str) -> Path:
        return self.root / "staging" / id

    def _lock(self, id: str) -> Path:
        return self.root / "staging" / f"{id}.lock"

    def _ref(self, name: str) -> Path:
        # Names of steps hold slashes and brackets; encoded, each is one file and none leaves the folder.
        return self.root / "refs" / quote(name, safe="").replace(".", "%2E")


def _seal(staged: Path) -> FolderDigest:
    """Makes the staged files exactly the result: nothing hidden, no links, read-only, hashed, synced."""
    for where, folders, names in os.walk(staged):
        here = Path(where)
        links = [name for name in (*folders, *names) if (here / name).is_symlink()]
        assert not links, f"{here} holds links, a result holds its own bytes: {links}"
        for name in [name for name in folders if name.startswith(".")]:
            remove_tree(here / name)
            folders.remove(name)
        for name in names:
            path = here / name
            if name.startswith("."):
                path.unlink()
                continue
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o222)
    digest = folder_digest(staged)
    assert digest.files, f"{staged} holds no result"
    sync_tree(staged)
    return digest


def _ours(folder: Path) -> list[Path]:
    """What fusec put into `folder`, as opposed to the file manager of a desktop."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _check_id(id: str) -> None:
    if not _ID.fullmatch(id):
        raise RunError(f"{id!r} is not an id: letters, digits, `-` and `_` only")
