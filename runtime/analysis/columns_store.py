"""Columns in the catalog: sets of tables, one table per tensor, found by the content that they describe.

A set is written whole or not at all. What a folder holds is looked up by its files' stamps or by their
hashes; both only say where to look, since every block that is read is checked against its hash.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, TypeVar

from fusec.runtime.analysis.tables import FORMAT, ChangeTable, GramTable, ModelTable, SampleTable
from fusec.runtime.catalog import Catalog, file_stamp
from fusec.runtime.kernel import RunError
from fusec.runtime.ranges.standin import SUFFIX, read_stand_in
from fusec.runtime.sources.remote import pinned_as
from fusec.runtime.sources.safetensors_header import INDEX

T = TypeVar("T", ModelTable, ChangeTable, GramTable, SampleTable)
Statement = tuple[str, tuple[Any, ...]]

_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS column_sets (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, base TEXT NOT NULL, experts TEXT NOT NULL,
    block INTEGER NOT NULL, format INTEGER NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS column_tables (
    part_of TEXT NOT NULL, tensor TEXT NOT NULL, data BLOB NOT NULL, PRIMARY KEY (part_of, tensor))""",
    """CREATE TABLE IF NOT EXISTS column_places (
    folder TEXT NOT NULL, kind TEXT NOT NULL, stamp TEXT NOT NULL, root TEXT NOT NULL,
    PRIMARY KEY (folder, kind))""",
    "CREATE TABLE IF NOT EXISTS column_pins (pin TEXT PRIMARY KEY, root TEXT NOT NULL)",
)


@dataclass(frozen=True)
class ColumnSet:
    """What a set of tables is about: content roots, sorted for `gram`, and elements per block.

    A `model` is its own base and has no experts; a `change` has one expert.
    """

    kind: Literal["model", "change", "gram", "sampled"]
    base: str
    experts: tuple[str, ...]
    block: int

    @property
    def id(self) -> str:
        text = f"{FORMAT} {self.kind} {self.block} {self.base} {' '.join(self.experts)}"
        return sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Cleared:
    """Sets that were dropped, and the bytes of their tables."""

    sets: int
    bytes: int


class ColumnsStore:
    """The columns in an open catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        for statement in _SCHEMA:
            catalog.query(statement)

    # --- sets of tables -------------------------------------------------------------------------------------

    def add(self, sets: Iterable[tuple[ColumnSet, Mapping[str, bytes]]]) -> None:
        """Writes sets, each with the encoded tables of its tensors by name; all of them or none."""
        self.catalog.transaction(statement for of, tables in sets for statement in _written(of, tables))

    def has(self, of: ColumnSet) -> bool:
        return bool(self.catalog.query("SELECT 1 FROM column_sets WHERE id = ?", (of.id,)))

    def lacks(self, of: ColumnSet, tensors: Iterable[str]) -> bool:
        """Whether a set is not there, or has no columns of one of these tensors."""
        return not (self.has(of) and set(tensors) <= set(self.tensors(of)))

    def table(self, of: ColumnSet, tensor: str, kind: type[T]) -> T:
        """The columns of one tensor of a set that is there."""
        query = "SELECT data FROM column_tables WHERE part_of = ? AND tensor = ?"
        rows = self.catalog.query(query, (of.id, tensor))
        if not rows:
            raise RunError(
                f"the columns of `{tensor}` are missing in {self.catalog.path}",
                hint="measure the models again: `fusec catalog analyze`",
            )
        return kind.decode(rows[0][0])

    def tensors(self, of: ColumnSet) -> tuple[str, ...]:
        """Names of the tensors of a set, sorted."""
        query = "SELECT tensor FROM column_tables WHERE part_of = ? ORDER BY tensor"
        return tuple(name for (name,) in self.catalog.query(query, (of.id,)))

    def sets(self, kind: str | None = None, base: str | None = None) -> Iterator[ColumnSet]:
        """All sets of this format, of one kind and base where these are given, in a fixed order."""
        query = "SELECT kind, base, experts, block FROM column_sets WHERE format = ? ORDER BY id"
        for found, root, experts, block in self.catalog.query(query, (FORMAT,)):
            if kind in (None, found) and base in (None, root):
                yield ColumnSet(found, root, tuple(experts.split()), block)

    # --- what a folder holds --------------------------------------------------------------------------------

    def remember(
        self, folder: Path, stamp: str, root: str, kind: Literal["model", "sampled"] = "model"
    ) -> None:
        """Notes which content the weights of a folder had when they had this stamp."""
        values = (os.path.realpath(folder), kind, stamp, root)
        self.catalog.query("INSERT OR REPLACE INTO column_places VALUES (?, ?, ?, ?)", values)

    def root_of(self, folder: Path) -> str | None:
        """The content root of the weights in a folder, as far as the catalog knows; reads no weights."""
        pin = self._pin(folder)
        if pin:
            rows = self.catalog.query("SELECT root FROM column_pins WHERE pin = ?", (pin,))
            if rows:
                return str(rows[0][0])
        query = "SELECT root FROM column_places WHERE folder = ? AND stamp = ? AND kind = 'model'"
        rows = self.catalog.query(query, (os.path.realpath(folder), weights_stamp(folder)))
        if rows and pin:
            self.catalog.query("INSERT OR REPLACE INTO column_pins VALUES (?, ?)", (pin, rows[0][0]))
        return str(rows[0][0]) if rows else None

    def _pin(self, folder: Path) -> str | None:
        digests = [(path.name, self._digest(path)) for path in weights_files(folder)]
        known = [(name, digest) for name, digest in digests if digest]
        return weights_pin(known) if known and len(known) == len(digests) else None

    def _digest(self, path: Path) -> str | None:
        if path.name == INDEX:
            return self.catalog.file_digest(path)
        stand_in = read_stand_in(path)
        if stand_in is None:
            return self.catalog.known_digest(path)
        return stand_in.version and pinned_as(stand_in.address, stand_in.version)

    def folders_of(self, root: str) -> tuple[Path, ...]:
        """Folders that hold this content, as far as the catalog knows."""
        query = "SELECT folder, stamp FROM column_places WHERE root = ? ORDER BY folder"
        return tuple(Path(f) for f, stamp in self.catalog.query(query, (root,)) if _holds(Path(f), stamp))

    # --- clearing up ----------------------------------------------------------------------------------------

    def clear(self) -> Cleared:
        """Drops the columns of models that no known folder holds any more, and those of an older format."""
        places = self.catalog.query("SELECT folder, kind, stamp, root FROM column_places")
        gone = [(folder, kind) for folder, kind, stamp, _ in places if not _holds(Path(folder), stamp)]
        live = {root for folder, kind, _, root in places if (folder, kind) not in gone}
        query = """SELECT id, base, experts, format, (SELECT COALESCE(SUM(LENGTH(data)), 0) FROM column_tables
            WHERE part_of = column_sets.id) FROM column_sets"""
        dead = [
            (id, size)
            for id, base, experts, format, size in self.catalog.query(query)
            if format != FORMAT or not live.issuperset((base, *experts.split()))
        ]
        statements = [statement for id, _ in dead for statement in _dropped(id)]
        for place in gone:
            statements.append(("DELETE FROM column_places WHERE folder = ? AND kind = ?", place))
        statements.append(("DELETE FROM column_pins WHERE root NOT IN (SELECT root FROM column_places)", ()))
        self.catalog.transaction(statements)
        return Cleared(len(dead), sum(size for _, size in dead))


def weights_stamp(folder: Path) -> str:
    """Changes when a weights file in a folder does; names no place."""
    stamps = [f"{path.name} {_stamp(path)}" for path in weights_files(folder)]
    return sha256("\n".join(stamps).encode()).hexdigest()


def weights_pin(files: Iterable[tuple[str, str]]) -> str:
    """One hash for the weights among files given by name and SHA-256: which files they are in counts, too."""
    named = sorted(f"{name} {digest}" for name, digest in files if name.endswith((".safetensors", INDEX)))
    return sha256("\n".join(named).encode()).hexdigest()


def _holds(folder: Path, stamp: str) -> bool:
    try:
        return weights_stamp(folder) == stamp
    except OSError:
        return False


def weights_files(folder: Path) -> list[Path]:
    """Files with weights, also those that others stand in for, and their index, sorted by name."""
    found = {path for path in (*folder.glob("*.safetensors"), folder / INDEX) if path.is_file()}
    return sorted(found | {path.with_suffix("") for path in folder.glob(f"*.safetensors{SUFFIX}")})


def _stamp(path: Path) -> str:
    stand_in = read_stand_in(path)
    if stand_in is None:
        return file_stamp(os.path.realpath(path))
    return f"{stand_in.address} {stand_in.size} {stand_in.version}"


def _written(of: ColumnSet, tables: Mapping[str, bytes]) -> Iterator[Statement]:
    """Tables that are there already stay: an analysis may leave out tensors, and content decides the rest."""
    values = (of.id, of.kind, of.base, " ".join(of.experts), of.block, FORMAT)
    yield "INSERT OR REPLACE INTO column_sets VALUES (?, ?, ?, ?, ?, ?)", values
    for tensor, data in tables.items():
        yield "INSERT OR REPLACE INTO column_tables VALUES (?, ?, ?)", (of.id, tensor, data)


def _dropped(id: str) -> list[Statement]:
    return [
        ("DELETE FROM column_sets WHERE id = ?", (id,)),
        ("DELETE FROM column_tables WHERE part_of = ?", (id,)),
    ]
