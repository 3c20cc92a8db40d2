"""FUSE302: a read budget below the least possible."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span


@dataclass(frozen=True)
class ReadBudgetTooSmall(Diagnostic, code="FUSE302"):
    """A read budget lies below the least that the step must read.

    A budget of expert reads makes fusec choose which blocks of weights are worth reading. Full weights can be
    left out block by block, down to nothing. The factors of an adapter cannot: every element of its change
    needs all of one factor, and they are small, so they are read in any case. The message names that
    least amount, worked out from the headers alone.

    ```fuse fails
    edition 2026

    model base from "fixture:llama-a"
    delta math from "fixture:lora-math"

    model merged = merge {
      base: base
      experts: [math]
      method: average
      expert_reads: 1 KB
    }

    output merged to "./out/merged"
    ```

    ```fuse
    edition 2026

    model base from "fixture:llama-a"
    delta math from "fixture:lora-math"

    model merged = merge {
      base: base
      experts: [math]
      method: average
      expert_reads: 24 GB
    }

    output merged to "./out/merged"
    ```
    """

    at: Span
    verb: str
    needs: str  # "2.1 MB"
    allows: str  # "1 KB"

    def title(self) -> str:
        return f"`{self.verb}` must read at least {self.needs}, the budget allows {self.allows}"

    def marks(self) -> tuple[Mark, ...]:
        return (Mark(self.at),)

    def why(self) -> str:
        return "an adapter is read whole: every element of its change needs all of one factor"

    def fixes(self) -> tuple[Fix, ...]:
        return (Fix(f"allow {self.needs} or more; `fusec plan --sweep` shows what more would buy"),)
