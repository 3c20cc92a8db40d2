"""The cells that an outcome fills, of a run or of none."""

from __future__ import annotations

from collections.abc import Callable

from .markdown import Cell, megabytes
from .runs import Missing, Outcome, Run

AMOUNTS = ("wall s", "CPU s", "read MB", "written MB", "anonymous MB")


def amounts(found: Outcome) -> list[Cell]:
    """A cell for each of `AMOUNTS`."""
    if isinstance(found, Missing):
        return missing(found, len(AMOUNTS))
    sizes = (found.read, found.written, found.anonymous)
    return [found.wall, found.cpu, *(round(megabytes(size)) for size in sizes)]


def one(found: Outcome, value: Callable[[Run], Cell]) -> Cell:
    return "not available" if isinstance(found, Missing) else value(found)


def some(found: Outcome, *names: str) -> list[Cell]:
    """A cell for each of the named attributes, memory in MB."""
    if isinstance(found, Missing):
        return ["not available", *[None] * (len(names) - 1)]
    values = [getattr(found, name) for name in names]
    return [round(megabytes(v)) if n == "anonymous" else v for n, v in zip(names, values, strict=True)]


def missing(found: Missing, cells: int) -> list[Cell]:
    """So many cells, of which the first says why there is nothing."""
    return [f"not available ({found.why})", *[None] * (cells - 1)]
