"""FUSE007: an escape or an interpolation that cannot be read."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span


@dataclass(frozen=True)
class BadString(Diagnostic, code="FUSE007"):
    """An escape or an interpolation inside a string cannot be read.

    In `"…"` a backslash begins an escape: `\\n`, `\\t`, `\\r`, `\\"`, `\\'`, `\\\\`, `\\u00e9` with four
    and `\\U0001f642` with eight hexadecimal digits. Braces hold an expression, filled in while compiling:
    `"./models/{release}"`. A brace that is meant as a brace is doubled, `{{` and `}}`. Text full of braces
    or backslashes reads best raw, in single quotes, where nothing is special.

    ```fuse fails
    edition 2026

    param release = "dev"

    model base from "fixture:llama-a"

    output base to "./models/{release"
    ```

    The brace is closed:

    ```fuse
    edition 2026

    param release = "dev"

    model base from "fixture:llama-a"

    output base to "./models/{release}"
    ```
    """

    at: Span
    says: str
    note: str = ""
    fix: Fix | None = None

    def title(self) -> str:
        return self.says

    def marks(self) -> tuple[Mark, ...]:
        return (Mark(self.at, self.note),)

    def why(self) -> str:
        return "in double quotes a backslash begins an escape, and braces hold an expression"

    def fixes(self) -> tuple[Fix, ...]:
        return () if self.fix is None else (self.fix,)
