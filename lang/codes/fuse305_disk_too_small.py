"""FUSE305: a plan whose results do not fit on the disk of the target."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span


@dataclass(frozen=True)
class DiskTooSmall(Diagnostic, code="FUSE305"):
    """The results of a plan need more disk than the target gives.

    Every result is kept in the store, so that nothing is computed twice. The sum of what the plan will write
    there is compared with `disk` of the target; what lies in the store already is not counted.

    ```fuse fails
    edition 2026

    model base from "fixture:llama-a"
    model math from "fixture:llama-a-math"

    model merged = merge {
      base: base
      experts: [math]
      method: average
    }

    target laptop = local(disk: 1 KB)

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

    target laptop = local(disk: 1 GB)

    output merged to "./out/merged"
    ```
    """

    target: str
    at: Span
    needs: str  # "212 GB"
    has: str  # "100 GB"
    writers: tuple[tuple[str, str], ...]  # (step, what it writes), the largest first

    def title(self) -> str:
        return f"the plan writes {self.needs}, `{self.target}` has {self.has} of disk"

    def marks(self) -> tuple[Mark, ...]:
        return (Mark(self.at),)

    def tables(self) -> tuple[tuple[str, str], ...]:
        width = max(len(name) for name, _ in self.writers)
        return (("where it goes", "\n".join(f"{name:<{width}}   {amount}" for name, amount in self.writers)),)

    def why(self) -> str:
        return "a full disk stops the run and everything else on the machine"

    def fixes(self) -> tuple[Fix, ...]:
        return (Fix("give the target more disk, or make the spec in parts with `--only`"),)
