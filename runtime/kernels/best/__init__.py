"""best: copy the candidate whose report has the best score."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from fusec.compiler.steps.best import direction
from fusec.runtime.checks import read_score
from fusec.runtime.digest import content_files
from fusec.runtime.durable import copy_file
from fusec.runtime.kernel import Context, RunError


def run(inputs: Mapping[str, Any], slots: Mapping[str, Any], ctx: Context) -> None:
    """Fill `ctx.out` with the winner; the first of equal ones wins.

    inputs  of: ((key, model artifact), ...), on: ((key, report artifact), ...) in the same order
    slots   by: path of the score, prefer: "highest", "lowest" or None (by the score's name)

    Raises `RunError` when a report lacks the score or holds no finite number there.
    """
    by = slots["by"]
    sign = 1.0 if direction(by, slots["prefer"]) == "highest" else -1.0
    scores = []
    for number, (key, report) in enumerate(inputs["on"], start=1):
        who = key or f"candidate {number}"
        try:
            score = read_score(report.path, by)
        except (KeyError, TypeError):
            raise RunError(f"the report of {who} has no score `{by}`") from None
        if not math.isfinite(score):
            raise RunError(f"`{by}` of {who} is {score}, which cannot be compared")
        scores.append(sign * score)
    _, winner = inputs["of"][scores.index(max(scores))]
    for name, path in content_files(winner.path):
        to = ctx.out / name
        to.parent.mkdir(parents=True, exist_ok=True)
        copy_file(path, to)
        size = path.stat().st_size
        ctx.meter.bytes_read += size
        ctx.meter.bytes_written += size
