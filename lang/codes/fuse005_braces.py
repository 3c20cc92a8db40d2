"""FUSE005: braces after something that is not a verb."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Edit, Fix, Mark
from fusec.lang.source import Span


@dataclass(frozen=True)
class BracesAfterValue(Diagnostic, code="FUSE005"):
    """Braces follow something that is not the name of a verb.

    `verb { … }` does work, `name( … )` is a value that costs nothing. The two never mix: what stands
    before `{` is the bare name of a verb, and what the verb works on goes into its slots.

    ```fuse fails
    edition 2026

    model base from "fixture:llama-a"
    model expert from "fixture:llama-a-math"

    model both = merge(base: base) { experts: [expert], method: average }

    output both to "./models/both"
    ```

    The argument becomes a slot:

    ```fuse
    edition 2026

    model base from "fixture:llama-a"
    model expert from "fixture:llama-a-math"

    model both = merge { base: base, experts: [expert], method: average }

    output both to "./models/both"
    ```
    """

    head: Span
    what: str
    """What the head is, such as `a call` or `a number`."""
    brace: Span
    edits: tuple[Edit, ...] = ()

    def title(self) -> str:
        return "braces follow a verb, and this is " + self.what

    def marks(self) -> tuple[Mark, ...]:
        return Mark(self.brace, "asks for work"), Mark(self.head, self.what)

    def why(self) -> str:
        return "braces cost, parentheses are free: `verb { … }` is work, `name( … )` is a value"

    def fixes(self) -> tuple[Fix, ...]:
        if self.edits:
            return (Fix("make the arguments slots of the block", self.edits, "maybe"),)
        return (Fix("name the verb before `{` and put the rest into its slots"),)
