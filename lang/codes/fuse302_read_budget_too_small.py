"""FUSE302: a read budget below the least possible."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span


@dataclass(frozen=True)
class ReadBudgetTooSmall(Diagnostic, code="FUSE302"):
    """A read budget lies below the least that the step must read.

    A budget of expert reads makes fusec choose which blocks of weights are worth reading. Weights are read
    in whole blocks, and some have no substitute, so there is a least amount. The message names it, worked
    out from the headers alone. `fusec plan --sweep expert_reads=…` shows what each amount buys.

    ```fuse fails
    edition 2026

    model base from "fixture:llama-a"
    model math from "fixture:llama-a-math"

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
    model math from "fixture:llama-a-math"

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
        return "weights are read in whole blocks, and some of them have no substitute"

    def fixes(self) -> tuple[Fix, ...]:
        return (Fix(f"allow {self.needs} or more; `fusec plan --sweep` shows what more would buy"),)
