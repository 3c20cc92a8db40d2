"""FUSE307: a limit that nothing in the plan can reach."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span


@dataclass(frozen=True)
class NoEffect(Diagnostic, code="FUSE307", level="warning"):
    """A line of the `budget` block limits something that no step of the spec uses.

    `expert_reads` limits what merges read of their experts, `teacher` the tokens that teachers read and
    write, `gpu` the time on GPUs. Where no step can use any of it, the line gives a false sense of safety:
    mostly a step was removed, or another limit was meant.

    ```fuse fails
    edition 2026

    model base from "fixture:llama-a"
    model math from "fixture:llama-a-math"

    model merged = merge {
      base: base
      experts: [math]
      method: average
    }

    budget {
      teacher: 10M tokens
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

    budget {
      expert_reads: 24 GB
    }

    output merged to "./out/merged"
    ```
    """

    at: Span
    limit: str
    uses: str  # "tokens of a teacher"

    def title(self) -> str:
        return f"`{self.limit}` limits nothing here"

    def marks(self) -> tuple[Mark, ...]:
        return (Mark(self.at, f"no step of this spec uses {self.uses}"),)

    def why(self) -> str:
        return "a limit that nothing can reach protects from nothing"

    def fixes(self) -> tuple[Fix, ...]:
        return (Fix("remove the line, or limit what the steps do use"),)
