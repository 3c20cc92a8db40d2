"""FUSE004: two slots on one line without a comma."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Edit, Fix, Mark
from fusec.lang.source import Span


@dataclass(frozen=True)
class CommaMissing(Diagnostic, code="FUSE004"):
    """Two slots or arguments stand side by side without a comma.

    At the end of a line the line end separates slots. On one line a comma does, so that a reader sees
    where a value ends. Arguments in parentheses and items of a list take commas always.

    ```fuse fails
    edition 2026

    model base from "fixture:llama-a"
    model expert from "fixture:llama-a-math"

    model both = merge { base: base experts: [expert], method: average }

    output both to "./models/both"
    ```

    With the comma:

    ```fuse
    edition 2026

    model base from "fixture:llama-a"
    model expert from "fixture:llama-a-math"

    model both = merge { base: base, experts: [expert], method: average }

    output both to "./models/both"
    ```
    """

    before: Span
    after: Span
    """The name of the slot, argument or item that follows."""
    what: str = "slots on one line"

    def title(self) -> str:
        return f"a comma is missing before `{self.after.text}`"

    def marks(self) -> tuple[Mark, ...]:
        return (Mark(self.after, f"{self.what} need commas"),)

    def fixes(self) -> tuple[Fix, ...]:
        end = Span(self.before.source, self.before.end, self.before.end)
        return (Fix("add `,` before it", (Edit(end, ","),), "safe"),)
