"""FUSE209: an empty list where an item is needed."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span


@dataclass(frozen=True)
class EmptyList(Diagnostic, code="FUSE209"):
    """A list that must hold at least one item is empty.

    With nothing in the list the step has no work, and what it would give is either its input or undefined.
    An empty pair of brackets is usually a place not yet filled in. A comprehension can be empty as well:
    `[e for e in expert if …]` when its condition holds for no key.

    ```fuse fails
    edition 2026

    model base from "fixture:llama-a"

    model merged = merge {
      base: base
      experts: []
      method: average
    }

    output merged to "./out/merged"
    ```

    ```fuse
    edition 2026

    model base from "fixture:llama-a"
    model math from "fixture:llama-a-math"

    model merged = merge {
      base: base
      experts: [math]
      method: average
    }

    output merged to "./out/merged"
    ```
    """

    at: Span
    slot: str
    verb: str

    def title(self) -> str:
        return f"`{self.slot}` of `{self.verb}` is empty"

    def marks(self) -> tuple[Mark, ...]:
        return (Mark(self.at, "no item"),)

    def why(self) -> str:
        return f"`{self.verb}` works on each item of `{self.slot}`, so there must be one"

    def fixes(self) -> tuple[Fix, ...]:
        return (Fix(f"name at least one item: `{self.slot}: [ … ]`"),)
