"""Deciding the checks of a spec from the reports of a run."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fusec.compiler.ir import Ref
from fusec.compiler.rowexpr import Op

OPERATIONS: dict[str, Callable[..., Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "neg": operator.neg,
    "not": operator.not_,
    "and": lambda a, b: a and b,
    "or": lambda a, b: a or b,
}


def decide(condition: Any, folder: Callable[[Ref], Path]) -> tuple[bool, dict[str, float]]:
    """The verdict of a condition and every score it looked at; `folder` holds a report's `report.json`.

    A score that is not a number (NaN) fails every comparison, so it closes the gate.
    """
    values: dict[str, float] = {}

    def value(expr: Any) -> Any:
        if not isinstance(expr, Op):
            return expr
        if expr.name == "field":
            ref, path = expr.args
            values[f"{ref.node}.{path}"] = found = read_score(folder(ref), path)
            return found
        return OPERATIONS[expr.name](*(value(arg) for arg in expr.args))

    return bool(value(condition)), values


def read_score(folder: Path, path: str) -> float:
    """One number of a report by its path: `code.loss`."""
    found = json.loads((folder / "report.json").read_text())
    group, _, score = path.rpartition(".")  # a key of data may hold dots of its own
    return float((found[group] if group else found)[score])
