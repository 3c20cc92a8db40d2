"""How a reader of a source gives up: one exception that carries the problem as data.

`inspect` and `pin` hand the problem back, `open_*` turn it into a `RunError`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from fusec.compiler.facts import SourceProblem

ProblemKind = Literal["missing", "damaged", "offline", "unsupported", "scheme"]


class Unusable(Exception):
    def __init__(self, kind: ProblemKind, what: str, *, hint: str = "", where: str | Path = "") -> None:
        super().__init__(what)
        self.problem = SourceProblem(kind, what, hint, str(where))
