"""Where a plan runs."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Gt

from fusec.compiler.slots import Size
from fusec.compiler.step import Method


class Local(Method, name="local", family="target"):
    """This machine: `cpus` threads at most, and what it may use of memory and disk."""

    cpus: Annotated[int, Gt(0)] | None = None
    memory: Size | None = None
    disk: Size | None = None
