"""Recipes of blocks: what every block of a merged model was made from, so that a later merge need not again.

A recipe hashes all that decides a block's bytes: the code, the method, the output dtype, the base's block,
and of every expert that takes part its weight and its block, in the order of the sum. Where a method looks at
whole tensors, all blocks of the tensor count. Equal recipes are equal bytes: after one expert changed, only
what changed is read again, and merges under several budgets share what they read alike.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from fusec.compiler.irsteps import takes_results
from fusec.compiler.reads.grid import BLOCK
from fusec.runtime.analysis.columns_store import ColumnsStore, weights_stamp
from fusec.runtime.analysis.content import HASH_BYTES
from fusec.runtime.analysis.family import Family, Missing, family_columns
from fusec.runtime.kernel import Artifact
from fusec.runtime.kernels.merge.reads import Reads
from fusec.runtime.reading import Merging

Recipes = dict[str, NDArray[np.uint8]]
"""Name of a tensor -> (B, 16)."""

_SCHEMA = """CREATE TABLE IF NOT EXISTS recipes (
    id TEXT NOT NULL, base TEXT NOT NULL, tensor TEXT NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (id, tensor))"""
_RESULTS = "CREATE TABLE IF NOT EXISTS recipe_results (id TEXT PRIMARY KEY, stamp TEXT NOT NULL)"
_LATEST = 16
"""Earlier merges over one base that are looked at."""


def recipes_of(store: ColumnsStore, merge: Merging, reads: Mapping[str, Reads]) -> Recipes | None:
    """The recipes of what a merge is about to make; None where the catalog does not know all that decides."""
    if any((expert.path / "adapter_config.json").is_file() for expert in merge.experts):
        return None
    if any(takes_results(way.method) for way in merge.choices):
        return None  # what else it looks at, no block tells
    block = next((each.block for each in reads.values()), BLOCK)
    family = family_columns(store, merge.base, merge.experts, "sketch", keep=merge.keep, block=block)
    if isinstance(family, Missing):
        return None
    return {name: _recipes(family, merge, name, each) for name, each in reads.items()}


def reusing(
    store: ColumnsStore, results: Path, merge: Merging, reads: Mapping[str, Reads], recipes: Recipes
) -> dict[str, Reads]:
    """The reads with what earlier results of this store, below `results`, have already."""
    found = {name: replace(each) for name, each in reads.items()}
    for id, tables in _earlier(store, merge).items():
        folder = results / "model" / id
        if not _is_as_made(store, id, folder):
            continue
        for name, data in tables.items():
            if name in found and found[name].made is None:
                there = np.frombuffer(zlib.decompress(data), np.uint8).reshape(-1, HASH_BYTES)
                wanted = recipes[name]
                if len(there) == len(wanted):
                    made = (there == wanted).all(axis=1)
                    if made.any():
                        found[name] = replace(found[name], made=made, earlier=folder)
    return found


def remember(store: ColumnsStore, result: Artifact, merge: Merging, recipes: Recipes) -> None:
    """Notes what the blocks of a result that was just made were made from."""
    id = result.id
    rows = [
        (
            "INSERT OR REPLACE INTO recipes VALUES (?, ?, ?, ?)",
            (id, merge.base.id, name, zlib.compress(table.tobytes(), 1)),
        )
        for name, table in recipes.items()
    ]
    stamp = ("INSERT OR REPLACE INTO recipe_results VALUES (?, ?)", (id, weights_stamp(result.path)))
    _prepare(store)
    store.catalog.transaction([*rows, stamp])


def _prepare(store: ColumnsStore) -> None:
    for statement in (_SCHEMA, _RESULTS):
        store.catalog.query(statement)


def _is_as_made(store: ColumnsStore, id: str, folder: Path) -> bool:
    """Whether nobody wrote to a result, or removed it, since it was made: its blocks are not hashed again."""
    rows = store.catalog.query("SELECT stamp FROM recipe_results WHERE id = ?", (id,))
    return folder.is_dir() and rows == [(weights_stamp(folder),)]


def _earlier(store: ColumnsStore, merge: Merging) -> dict[str, dict[str, bytes]]:
    """The latest results over the same base, the newest first, with their tables by tensor."""
    _prepare(store)
    query = "SELECT id FROM recipes WHERE base = ? GROUP BY id ORDER BY MAX(rowid) DESC, id LIMIT ?"
    ids = [id for (id,) in store.catalog.query(query, (merge.base.id, _LATEST))]
    tables = "SELECT tensor, data FROM recipes WHERE id = ?"
    return {id: dict(store.catalog.query(tables, (id,))) for id in ids}


def _recipes(family: Family, merge: Merging, name: str, reads: Reads) -> NDArray[np.uint8]:
    """(B, 16) of one tensor."""
    base, hashes = family.base_hashes(name), family.hashes(name)
    assert hashes is not None
    method, numbers = (way := merge.choice(name)).method, way.numbers
    whole, random = not method.local, "seed" in type(method).model_fields
    recipe = [merge.code, method.name, method.model_dump(mode="json"), merge.dtype]
    head = sha256(msgspec.msgpack.encode([reads.block, recipe, name if whole else ""]))
    if whole:
        head.update(msgspec.msgpack.encode([expert.id for expert in merge.experts] if random else []))
    if whole or method.kernel or method.divides or not (method.weighted and method.of_changes):
        head.update(msgspec.msgpack.encode(numbers))  # experts that change nothing count all the same
    # Equal bytes of another dtype are other weights, and bytes of a delta are no weights.
    said = [
        msgspec.msgpack.encode([number, method.of_expert(k), form])
        for k, (number, form) in enumerate(zip(numbers, family.forms(name), strict=True))
    ]
    parts = []
    for block in range(len(base)):
        present = np.flatnonzero(reads.taken[:, block]).tolist()
        own = b"".join(said[k] + hashes[k, block].tobytes() for k in present)
        rest = bytes([reads.resting and not present])
        parts.append(base[block].tobytes() + rest + own)
    recipes = []
    if whole:
        head.update(sha256(b"".join(parts)).digest())
    for number, part in enumerate(parts):
        one = head.copy()
        one.update(number.to_bytes(8, "little") if whole else part)
        recipes.append(one.digest()[:HASH_BYTES])
    return np.frombuffer(b"".join(recipes), np.uint8).reshape(-1, HASH_BYTES)
