"""FUSE308: a read budget for a method whose error nobody can state."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span
from fusec.lang.wording import code


@dataclass(frozen=True)
class NoErrorBound(Diagnostic, code="FUSE308"):
    """A merge shall read less than everything, but its method has no bound for what that changes.

    Under a read budget a merge leaves out the blocks that change its result least, and the plan states how
    far the result can be from that of a full read. That needs a method in which each block of each expert
    counts by itself, such as `linear` or `task_arithmetic`. Where one number depends on whole tensors, a
    block that is left out changes all others too, by an amount that only a full read would tell.

    ```fuse fails
    edition 2026

    model base from "fixture:llama-a"
    model math from "fixture:llama-a-math"

    model merged = merge {
      base: base
      experts: [math]
      method: ties(density: 0.5)
      expert_reads: 10%
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
      method: task_arithmetic
      expert_reads: 10%
    }

    output merged to "./out/merged"
    ```
    """

    at: Span
    slot: str  # "expert_reads"
    method: str  # "ties(density: 0.5)"
    method_at: Span
    others: tuple[str, ...]  # methods of the same verb that take a budget

    def title(self) -> str:
        return f"{code(self.method)} reads its experts whole, {code(self.slot)} asks for less"

    def marks(self) -> tuple[Mark, ...]:
        return (Mark(self.at), Mark(self.method_at, "no bound for what is left out"))

    def why(self) -> str:
        return "a block that is left out would change the others, by an amount that only reading it tells"

    def fixes(self) -> tuple[Fix, ...]:
        return (
            Fix(f"leave out {code(self.slot)}"),
            Fix(f"take a method that knows: {', '.join(map(code, self.others))}"),
        )
