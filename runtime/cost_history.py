"""What steps took, kept in the catalog of a store for the plans that come after."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from fusec.compiler.cost import LOADING, Range, total
from fusec.compiler.evidence import Pair
from fusec.compiler.ir import Node
from fusec.compiler.measured import Measured
from fusec.compiler.plan import Task, method_of
from fusec.compiler.step import find_verb
from fusec.runtime.catalog import Catalog, EstimateRow, read_estimates
from fusec.runtime.hardware import hardware
from fusec.runtime.probe_file import read_probe

NEWEST = 100
"""So many steps of each verb count for a plan."""


class Loads:
    """Which of the large libraries are loaded from now on."""

    def __init__(self) -> None:
        self._before = self._there()

    def seconds(self) -> float:
        """What those loaded since take by the table."""
        return sum(LOADING[name] for name in sorted(self._there() - self._before))

    @staticmethod
    def _there() -> set[str]:
        return LOADING.keys() & sys.modules.keys()


def remember(
    catalog: Catalog,
    nodes: Sequence[Node],
    tasks: Mapping[str, Task],
    *,
    device: str,
    threads: int,
    loading: float,
    actual: Mapping[str, float],
) -> None:
    """Keeps what a step, or merges of one scan as one, were expected to take beside what they took."""
    first = nodes[0]
    cost = total(tasks[node.name].cost for node in nodes)
    seconds = sum((tasks[node.name].seconds for node in nodes), Range())
    verb = find_verb(first.verb)
    estimate = {
        "method": method_of(first),
        # What does not compute on a GPU runs on processors, whatever the run was told.
        "device": device if verb is not None and verb.on_gpu else "cpu",
        "threads": threads,
        "loading": loading,
        "range": (seconds.low, seconds.likely, seconds.high),
        **{
            name: getattr(cost, name).likely
            for name in ("reads", "expert_reads", "flops", "writes", "memory")
        },
    }
    catalog.add_estimate(first.verb, hardware(), estimate, dict(actual))


def measured(store: Path) -> Measured:
    """What a store knows of this machine; reads only, and nothing where there is no store."""
    catalog = store / "catalog.db"
    rows = read_estimates(catalog, NEWEST) if catalog.is_file() else ()
    probe = read_probe(store)
    here = hardware()
    return Measured(
        threads=os.cpu_count() or 1,
        probe=probe if probe is not None and probe.hardware == here else None,
        pairs=pairs_of(row for row in rows if row.key == here),
    )


def pairs_of(rows: Iterable[EstimateRow]) -> tuple[Pair, ...]:
    """The rows that say enough; those of earlier versions of fusec do not."""
    found = []
    for row in rows:
        try:
            found.append(msgspec.convert(_fields(row), Pair))
        except msgspec.ValidationError:
            continue
    return tuple(found)


def _fields(row: EstimateRow) -> dict[str, Any]:
    return {**row.estimate, "verb": row.verb, "seconds": row.actual.get("seconds")}
