"""FUSE102: one name declared twice."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span


@dataclass(frozen=True)
class DeclaredTwice(Diagnostic, code="FUSE102"):
    """One name is declared in two places.

    A declaration holds for the whole file and forever: declarations may stand in any order, so there is no
    "later one" that could win. A block copied and not yet renamed is the usual cause. Where many things of
    one kind are wanted, a family (`model expert[d in domains] from …`) gives each its key.

    ```fuse fails
    edition 2026

    model base from "fixture:llama-a"
    model expert from "fixture:llama-a-math"
    model expert from "fixture:llama-a-code"

    model merged = merge {
      base: base
      experts: [expert]
      method: average
    }

    output merged to "./out/merged"
    ```

    ```fuse
    edition 2026

    model base from "fixture:llama-a"
    model math from "fixture:llama-a-math"
    model code from "fixture:llama-a-code"

    model merged = merge {
      base: base
      experts: [math, code]
      method: average
    }

    output merged to "./out/merged"
    ```
    """

    name: str
    at: Span
    first: Span

    def title(self) -> str:
        return f"`{self.name}` is declared twice"

    def marks(self) -> tuple[Mark, ...]:
        return Mark(self.at, "second declaration"), Mark(self.first, "first declaration")

    def why(self) -> str:
        return "declarations have no order, so neither of the two can win"

    def fixes(self) -> tuple[Fix, ...]:
        return (Fix("rename one of the two, and the uses that mean it"),)
