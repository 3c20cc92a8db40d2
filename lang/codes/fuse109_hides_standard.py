"""FUSE109: a name that hides a standard word."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span


@dataclass(frozen=True)
class HidesStandard(Diagnostic, code="FUSE109", level="warning"):
    """A name of the file is also a word of the standard vocabulary.

    The file's own name wins, so that a later fusec can add methods and benchmarks without breaking specs
    that already use the word. The price is that the standard meaning is out of reach in this file:
    `method: ties` would mean the model called `ties`.

    ```fuse fails
    edition 2026

    model base from "fixture:llama-a"
    model ties from "fixture:llama-a-math"

    model merged = merge {
      base: base
      experts: [ties]
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

    name: str
    at: Span
    what: str  # what the word means elsewhere: "a merge method"

    def title(self) -> str:
        return f"`{self.name}` hides {self.what} of the same name"

    def marks(self) -> tuple[Mark, ...]:
        return (Mark(self.at, "this one wins everywhere in the file"),)

    def why(self) -> str:
        return f"a reader will take `{self.name}` for {self.what}"

    def fixes(self) -> tuple[Fix, ...]:
        return (Fix("give the declaration a name of its own"),)
