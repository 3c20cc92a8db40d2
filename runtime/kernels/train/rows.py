"""Rows of a data artifact, read batch by batch; the file is never loaded whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fusec.runtime.kernel import Artifact, RunError
from fusec.runtime.kernels.data.stream import batches, open_rows

ROWS = 256  # rows handed on at once: bounds memory whatever the writer's batch size was


def columns(data: Artifact) -> tuple[str, ...]:
    """Names of the columns. Raises RunError when `data.arrow` is missing or broken."""
    return tuple(open_rows(data).schema.names)


def read(data: Artifact, names: Sequence[str]) -> Iterator[tuple[int, list[tuple[Any, ...]]]]:
    """(number of the first row, up to ROWS rows of the columns `names`), in file order.

    Raises RunError for a missing column and for a null, naming the row. Rows count from 1.
    """
    reader = open_rows(data)
    have = reader.schema.names
    for name in names:
        if name not in have:
            raise RunError(f"the data has no column `{name}`", hint=f"its columns are {', '.join(have)}")
    first = 1
    for batch in batches(reader):
        for start in range(0, batch.num_rows, ROWS):
            piece = batch.slice(start, ROWS).select(list(names))
            for name, column in zip(names, piece.columns, strict=True):
                if column.null_count:
                    row = first + start + column.is_null().index(True).as_py()
                    raise RunError(
                        f"row {row} has no value in column `{name}`",
                        hint=f"drop such rows first: filter {{ keep: has(.{name}) }}",
                    )
            yield first + start, list(zip(*(c.to_pylist() for c in piece.columns), strict=True))
        first += batch.num_rows


def read_text(data: Artifact, name: str) -> Iterator[tuple[int, list[str]]]:
    """Like `read` for one column of strings; raises RunError when it holds something else."""
    for first, rows in read(data, [name]):
        for n, (value,) in enumerate(rows, first):
            if not isinstance(value, str):
                raise RunError(f"row {n} has {type(value).__name__} in column `{name}`, not text")
        yield first, [value for (value,) in rows]
