"""Where a column was lost: the way back from some rows to the `select` that left it out."""

from __future__ import annotations

from collections.abc import Mapping

from fusec.compiler.slots import Input
from fusec.compiler.steps.select import Select
from fusec.compiler.typed import TypedStep
from fusec.lang.source import Span
from fusec.lang.types import DataType


def where_dropped(steps: Mapping[str, TypedStep], value: Input, column: str) -> Span | None:
    """The verb of the nearest `select` before `value` whose data still had the column."""
    step = steps.get(value.ref.node)
    while step is not None:
        data = getattr(step.step, "data", None)
        before = data.type if isinstance(data, Input) else None
        if not isinstance(before, DataType) or not isinstance(data, Input):
            return None
        if isinstance(step.step, Select) and column in dict(before.columns):
            return step.at
        step = steps.get(data.ref.node)
    return None
