"""`mix`: one data set out of several, in exact shares.

Each part gives a seeded choice of its rows without repetition, then all are shuffled together. Columns that
every part has, with the same type, stay; the others go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa

from fusec.runtime.kernel import Context, RunError
from fusec.runtime.kernels.data.keys import apportion, choose, exact_share, permutation
from fusec.runtime.kernels.data.stream import BATCH_ROWS, RowTable, data_bytes, write_rows


def run(inputs: Mapping[str, Any], slots: Mapping[str, Any], ctx: Context) -> None:
    """`inputs`: `parts`, pairs of (data, share), with None for every share to join the parts whole.

    `slots`: `rows`, or None for as many as the parts can give. The seed is `ctx.seed`. RunError where a
    part is short: rows never repeat.
    """
    assert ctx.seed is not None
    tables = [RowTable(artifact) for artifact, _ in inputs["parts"]]
    sizes = [len(table) for table in tables]
    counts = _counts(sizes, [share for _, share in inputs["parts"]], slots.get("rows"))
    schema = _common_schema(tables)
    chosen = [
        choose(f"mix part {i}", ctx.seed, size, count)
        for i, (size, count) in enumerate(zip(sizes, counts, strict=True))
    ]
    written = write_rows(ctx.out, schema, _interleaved(tables, chosen, schema, ctx.seed))
    ctx.meter.bytes_read += sum(data_bytes(artifact) for artifact, _ in inputs["parts"])
    ctx.meter.bytes_written += written.bytes


def _counts(sizes: list[int], written: list[float | None], rows: int | None) -> list[int]:
    """How many rows each part gives."""
    shares = [
        Fraction(size) if share is None else exact_share(share)
        for size, share in zip(sizes, written, strict=True)
    ]
    total = sum(shares)
    asked = [(size, share) for size, share in zip(sizes, shares, strict=True) if share]
    most = min((int(size * total / share) for size, share in asked), default=0)
    if most == 0:
        empty = sizes.index(min(sizes)) + 1
        raise RunError(
            f"part {empty} of `mix` has {sizes[empty - 1]} rows, too few for its share of even one",
            hint="look at what the steps before it leave, or take the part out",
        )
    counts = apportion(most if rows is None else rows, shares)
    for position, (size, count) in enumerate(zip(sizes, counts, strict=True), 1):
        if count > size:
            raise RunError(
                f"part {position} of `mix` has {size} rows and its share needs {count}",
                hint=f"ask for at most {most} rows, or change the shares",
            )
    return counts


def _common_schema(tables: list[RowTable]) -> pa.Schema:
    """Columns of the first part that all have with the same type."""
    first, *others = (table.schema for table in tables)
    return pa.schema([field for field in first if all(_has(other, field) for other in others)])


def _has(schema: pa.Schema, field: pa.Field) -> bool:
    return field.name in schema.names and schema.field(field.name).type == field.type


def _interleaved(
    tables: list[RowTable], chosen: list[np.ndarray], schema: pa.Schema, seed: int
) -> Iterator[pa.RecordBatch]:
    homes = np.concatenate([np.full(len(rows), i) for i, rows in enumerate(chosen)])
    rows = np.concatenate(chosen)
    order = permutation("mix", seed, len(rows))
    for start in range(0, len(order), BATCH_ROWS):
        part = order[start : start + BATCH_ROWS]
        by_home = np.argsort(homes[part], kind="stable")
        taken = [
            batch.select(schema.names)
            for i, table in enumerate(tables)
            for batch in table.take(rows[part[homes[part] == i]])
        ]
        places = np.empty_like(by_home)
        places[by_home] = np.arange(len(part))
        yield pa.concat_batches(taken).take(pa.array(places))
