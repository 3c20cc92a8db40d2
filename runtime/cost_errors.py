"""How far plans were from what runs took, verb by verb."""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import median
from typing import NamedTuple

from fusec.runtime.catalog import EstimateRow


class VerbErrors(NamedTuple):
    """The errors of one verb. An error of 0.3 is a step that took 1.3 times as long as planned, or the plan
    1.3 times as long as it took.

    `error` is the median and `worst` the largest; `ratio` is the median of taken to planned seconds;
    `inside` the share of steps within the range of their plan; `bytes_error` the median for bytes read, None
    where nothing was read.
    """

    verb: str
    steps: int
    error: float
    worst: float
    ratio: float
    inside: float
    bytes_error: float | None


def errors_by_verb(rows: Iterable[EstimateRow]) -> tuple[VerbErrors, ...]:
    """By verb, in order of names; rows without planned or without taken time are left out."""
    by_verb: dict[str, list[EstimateRow]] = {}
    for row in rows:
        _, likely, _ = row.estimate.get("range", (0, 0, 0))
        if likely > 0 and row.actual.get("seconds"):
            by_verb.setdefault(row.verb, []).append(row)
    return tuple(_errors(verb, of) for verb, of in sorted(by_verb.items()))


def _errors(verb: str, rows: list[EstimateRow]) -> VerbErrors:
    took = [row.actual["seconds"] for row in rows]
    ranges = [row.estimate["range"] for row in rows]
    logs = [math.log(seconds / likely) for seconds, (_, likely, _) in zip(took, ranges, strict=True)]
    reads = [
        math.log(read / planned)
        for row in rows
        if (read := row.actual.get("bytes_read", 0.0)) > 0 and (planned := row.estimate["reads"]) > 0
    ]
    return VerbErrors(
        verb,
        len(rows),
        error=_off(median(map(abs, logs))),
        worst=_off(max(map(abs, logs))),
        ratio=math.exp(median(logs)),
        inside=sum(low <= seconds <= high for seconds, (low, _, high) in zip(took, ranges, strict=True))
        / len(rows),
        bytes_error=_off(median(map(abs, reads))) if reads else None,
    )


def _off(log: float) -> float:
    return math.expm1(log)
