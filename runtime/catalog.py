"""The index of a store: objects, runs, outputs, digests of files, and what estimates came to.

SQLite with a write-ahead log, every commit synced. The catalog holds nothing that only it knows about
results: an object without a row is hashed again, so a lost catalog costs time, never a result.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from fusec.lang.codes.fuse505_newer_format import NewerFormat
from fusec.runtime.digest import FileEntry, FolderDigest, file_digest
from fusec.runtime.kernel import Kind, RunError
from fusec.runtime.trouble import refused

VERSION = 1
RunState = Literal["running", "done", "failed", "closed", "interrupted"]
"""`closed`: a check of the spec closed the gate. `interrupted`: cancelled, or its process died."""

_RACY_SECONDS = 2
_SCHEMA = """
CREATE TABLE objects (
  id TEXT PRIMARY KEY, kind TEXT NOT NULL, root TEXT NOT NULL, files BLOB NOT NULL, bytes INTEGER NOT NULL,
  run TEXT);
CREATE TABLE digests (path TEXT PRIMARY KEY, stamp TEXT NOT NULL, sha256 TEXT NOT NULL);
CREATE TABLE outputs (
  root TEXT NOT NULL, form TEXT NOT NULL, source TEXT NOT NULL, id TEXT NOT NULL,
  PRIMARY KEY (root, form, source));
CREATE TABLE runs (
  id TEXT PRIMARY KEY, spec TEXT NOT NULL, state TEXT NOT NULL, started REAL NOT NULL, seconds REAL,
  manifest TEXT);
CREATE TABLE estimates (
  verb TEXT NOT NULL, key TEXT NOT NULL, estimate BLOB NOT NULL, actual BLOB NOT NULL, at REAL NOT NULL);
CREATE INDEX estimates_by_verb ON estimates (verb, at);
"""


@dataclass(frozen=True)
class ObjectRow:
    """A stored result. `run` made it, or None when the row was rebuilt from the folder."""

    id: str
    kind: Kind
    digest: FolderDigest
    run: str | None


@dataclass(frozen=True)
class RunRow:
    """A run. `started` in seconds since the epoch; `manifest` relative to the store, None until written."""

    id: str
    spec: str
    state: RunState
    started: float
    seconds: float | None
    manifest: str | None


@dataclass(frozen=True)
class EstimateRow:
    """What the plan said and what came: resource -> amount, as in a manifest's node. `key` is the machine."""

    verb: str
    key: str
    estimate: dict[str, Any]
    actual: dict[str, float]


class Catalog:
    """One open catalog; safe to share between threads. Several processes may have it open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            self._db = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._prepare()
        except sqlite3.DatabaseError as error:
            raise RunError(
                f"the catalog {path} cannot be opened: {error}",
                hint="remove it: it is rebuilt from the results in the store",
            ) from error

    def close(self) -> None:
        self._db.close()

    # --- objects --------------------------------------------------------------------------------------------

    def add_object(self, kind: Kind, id: str, digest: FolderDigest, run: str | None) -> None:
        """Records a published result; once per id, the first record stays."""
        self._run(
            "INSERT OR IGNORE INTO objects VALUES (?, ?, ?, ?, ?, ?)",
            (id, kind, digest.root, msgspec.json.encode(digest.files), digest.size, run),
        )

    def object(self, id: str) -> ObjectRow | None:
        rows = self._run("SELECT id, kind, root, files, run FROM objects WHERE id = ?", (id,))
        return _object_row(*rows[0]) if rows else None

    def objects(self) -> tuple[ObjectRow, ...]:
        """All recorded results, by id."""
        rows = self._run("SELECT id, kind, root, files, run FROM objects ORDER BY id")
        return tuple(_object_row(*row) for row in rows)

    def drop_object(self, id: str) -> None:
        self._run("DELETE FROM objects WHERE id = ?", (id,))

    # --- digests of files that others may change ------------------------------------------------------------

    def file_digest(self, path: Path) -> str:
        """The sha256 of a file, from memory when size, times and inode say that it is the same file.

        The change time is part of the stamp: a program can restore the modification time, not that one.
        A file touched within the last two seconds is never remembered, since clocks tick coarsely.
        """
        known = self.known_digest(path)
        if known:
            return known
        real = os.path.realpath(path)
        stamp = file_stamp(real)
        digest = file_digest(path)
        if stamp == file_stamp(real) and not is_fresh(real):
            self._run("INSERT OR REPLACE INTO digests VALUES (?, ?, ?)", (real, stamp, digest))
        return digest

    def known_digest(self, path: Path) -> str | None:
        """The sha256 of a file if it is remembered; reads nothing of it."""
        real = os.path.realpath(path)
        query = "SELECT sha256 FROM digests WHERE path = ? AND stamp = ?"
        rows = self._run(query, (real, file_stamp(real)))
        return str(rows[0][0]) if rows else None

    # --- outputs --------------------------------------------------------------------------------------------

    def add_output(self, root: str, form: str, source: str, id: str) -> None:
        """Remembers that fusec writes bytes with digest `root` from an artifact with content `source`."""
        self._run("INSERT OR IGNORE INTO outputs VALUES (?, ?, ?, ?)", (root, form, source, id))

    def made(self, root: str) -> bool:
        """Whether fusec once wrote an output with digest `root`."""
        return bool(self._run("SELECT 1 FROM outputs WHERE root = ? LIMIT 1", (root,)))

    def made_from(self, root: str, form: str, source: str) -> bool:
        """Whether content `source`, written in `form`, once gave `root`."""
        query = "SELECT 1 FROM outputs WHERE root = ? AND form = ? AND source = ?"
        return bool(self._run(query, (root, form, source)))

    # --- runs -----------------------------------------------------------------------------------------------

    def start_run(self, id: str, spec: str) -> None:
        self._run("INSERT INTO runs VALUES (?, ?, 'running', ?, NULL, NULL)", (id, spec, time.time()))

    def finish_run(self, id: str, state: RunState, seconds: float | None, manifest: str | None) -> None:
        query = "UPDATE runs SET state = ?, seconds = ?, manifest = ? WHERE id = ?"
        self._run(query, (state, seconds, manifest, id))

    def run(self, id: str) -> RunRow | None:
        rows = self._run("SELECT * FROM runs WHERE id = ?", (id,))
        return RunRow(*rows[0]) if rows else None

    def runs(self) -> tuple[RunRow, ...]:
        """All runs, newest first."""
        return tuple(RunRow(*row) for row in self._run("SELECT * FROM runs ORDER BY started DESC, id"))

    # --- estimates ------------------------------------------------------------------------------------------

    def add_estimate(self, verb: str, key: str, estimate: dict[str, Any], actual: dict[str, float]) -> None:
        """Remembers a pair for the cost model. `key` says what was alike: the machine."""
        encoded = msgspec.json.encode(estimate), msgspec.json.encode(actual)
        self._run("INSERT INTO estimates VALUES (?, ?, ?, ?, ?)", (verb, key, *encoded, time.time()))

    def estimates(self, verb: str) -> tuple[EstimateRow, ...]:
        """The pairs of one verb, oldest first."""
        query = "SELECT verb, key, estimate, actual FROM estimates WHERE verb = ? ORDER BY at, rowid"
        return tuple(_estimate_row(*row) for row in self._run(query, (verb,)))

    # --- tables that others keep here -----------------------------------------------------------------------

    def query(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        return self._run(query, values)

    def transaction(self, statements: Iterable[tuple[str, tuple[Any, ...]]]) -> None:
        """All statements or none of them, with one sync."""
        with self._lock:
            try:
                with closing(self._db.cursor()) as cursor:
                    cursor.execute("BEGIN IMMEDIATE")
                    try:
                        for query, values in statements:
                            cursor.execute(query, values)
                    except BaseException:
                        cursor.execute("ROLLBACK")
                        raise
                    cursor.execute("COMMIT")
            except sqlite3.DatabaseError as error:
                raise RunError(f"the catalog {self.path} cannot be used: {error}") from error

    # --- the database ---------------------------------------------------------------------------------------

    def _run(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return self._db.execute(query, values).fetchall()
            except sqlite3.DatabaseError as error:  # full disk, damaged pages, locked for a minute
                raise RunError(f"the catalog {self.path} cannot be used: {error}") from error

    def _prepare(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")  # two processes may meet on a new store
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version == 0:
            for statement in _SCHEMA.strip().split(";\n"):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {VERSION}")
        self._db.execute("COMMIT")
        if version > VERSION:
            self.close()
            raise refused(NewerFormat(f"the catalog {self.path}", version, VERSION))


def _object_row(id: str, kind: str, root: str, files: bytes, run: str | None) -> ObjectRow:
    assert kind in get_args(Kind)
    entries = msgspec.json.decode(files, type=tuple[FileEntry, ...])
    return ObjectRow(id, kind, FolderDigest(root, entries), run)  # type: ignore[arg-type]


def _estimate_row(verb: str, key: str, estimate: bytes, actual: bytes) -> EstimateRow:
    return EstimateRow(verb, key, msgspec.json.decode(estimate), msgspec.json.decode(actual))


_NEWEST = """
SELECT verb, key, estimate, actual FROM (
  SELECT *, rowid AS row, ROW_NUMBER() OVER (PARTITION BY verb, key ORDER BY at DESC, rowid DESC) AS age
  FROM estimates) WHERE age <= ? ORDER BY verb, at, row"""


def read_estimates(path: Path, newest: int) -> tuple[EstimateRow, ...]:
    """The newest pairs of each verb and key, oldest first, out of a catalog that nobody changes by this.

    Raises `RunError` when it is damaged or newer than this fusec.
    """
    # A connection that may write removes the files that SQLite reads beside writers with; one that may not
    # leaves them. Where nothing can be written there is no writer either.
    writable = os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
    mode = "mode=rw" if writable else "mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?{mode}", timeout=60, uri=True)) as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version > VERSION:
                raise refused(NewerFormat(f"the catalog {path}", version, VERSION))
            rows = db.execute(_NEWEST, (newest,)).fetchall() if version else []
    except sqlite3.DatabaseError as error:
        raise RunError(
            f"the catalog {path} cannot be read: {error}",
            hint="remove it: it is rebuilt from the results in the store",
        ) from error
    return tuple(_estimate_row(*row) for row in rows)


def file_stamp(path: str) -> str:
    """What changes when a file does, even where its modification time was put back."""
    stat = os.stat(path)
    return f"{stat.st_dev}:{stat.st_ino}:{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ctime_ns}"


def is_fresh(path: str) -> bool:
    """Whether a file was touched so lately that a coarse clock could hide a change in its stamp."""
    stat = os.stat(path)
    return time.time() - max(stat.st_mtime, stat.st_ctime) < _RACY_SECONDS
