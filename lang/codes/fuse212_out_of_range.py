"""FUSE212: a value out of its range."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Mark
from fusec.lang.source import Span
from fusec.lang.wording import code


@dataclass(frozen=True)
class OutOfRange(Diagnostic, code="FUSE212"):
    """A number lies outside the range in which it means something.

    The density of `ties` is the share of each update that is kept, so it lies above 0 and not above 1. Such
    bounds belong to the slot and are looked up before anything runs. A value that is off by a factor of
    100 is mostly a percentage: write `50%`, or `0.5`.

    ```fuse fails
    edition 2026

    model base from "fixture:llama-a"
    model math from "fixture:llama-a-math"

    model merged = merge {
      base: base
      experts: [math]
      method: ties(density: 1.5)
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
      method: ties(density: 0.5)
    }

    output merged to "./out/merged"
    ```
    """

    at: Span
    what: str  # the slot or argument: "density"
    got: str  # the value as written
    allowed: str  # the range in words: "above 0, at most 1"

    def title(self) -> str:
        return f"{code(self.what)} cannot be {self.got}"

    def marks(self) -> tuple[Mark, ...]:
        return (Mark(self.at, f"allowed: {self.allowed}"),)

    def why(self) -> str:
        return "outside this range the result has no meaning"
