"""FUSE206: a quantity of another dimension."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span
from fusec.lang.wording import an, code

EXAMPLES = {
    "Size": "24 GB",
    "Rate": "6 GB/s",
    "Time": "90 min",
    "Compute": "96 gpu-hours",
    "Money": "400 USD",
    "Share": "2%",
    "Count": "40k rows",
}


@dataclass(frozen=True)
class UnitsDiffer(Diagnostic, code="FUSE206"):
    """A quantity has another dimension than the place it stands in.

    Every slot that takes a quantity says which: a Size, a Time, a Share, a Count of rows. Within one
    dimension units convert exactly (`1 TB` is `1000 GB`; `1 GiB` is `1.073741824 GB`), between dimensions
    never, and currencies not at all. A bare whole number fits a Count and nothing else, so `24` is not
    `24 GB`.

    ```fuse fails
    edition 2026

    model base from "fixture:llama-a"
    model math from "fixture:llama-a-math"

    model merged = merge {
      base: base
      experts: [math]
      method: average
      expert_reads: 90 min
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
    got: str  # a clause: "`90 min` is a Time"
    wants: str  # "Size" or "a Size"
    what: str  # the slot or operator: "expert_reads"

    def title(self) -> str:
        return f"{self.got}, {code(self.what)} wants {an(self.wants)}"

    def marks(self) -> tuple[Mark, ...]:
        return (Mark(self.at),)

    def why(self) -> str:
        return "units convert within a dimension, never from one to another"

    def fixes(self) -> tuple[Fix, ...]:
        example = EXAMPLES.get(self.wants.removeprefix("a "))
        return (Fix(f"write {an(self.wants)}" + (f", such as `{example}`" if example else "")),)
