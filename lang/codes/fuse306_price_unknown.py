"""FUSE306: a limit on money where nobody states a price."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span


@dataclass(frozen=True)
class PriceUnknown(Diagnostic, code="FUSE306", level="warning"):
    """A budget limits the cost, and a machine that the plan uses has no price.

    Prices come from the target: `node(count: 2, gpus: h100(8), price: 42 USD/h)`. A step pays for the share
    of the machine that it holds, as long as it holds it. Without a price its cost cannot be known, so the
    limit bounds only the rest.

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
      cost: 10 USD
    }

    target cluster = ray(address: "ray://head:10001", nodes: [node(cpus: 64)], store: "/mnt/store")

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
      cost: 10 USD
    }

    target cluster = ray(
      address: "ray://head:10001",
      nodes: [node(cpus: 64, price: 3 USD/h)],
      store: "/mnt/store",
    )

    output merged to "./out/merged"
    ```
    """

    at: Span
    steps: tuple[str, ...]
    machine: Span | None  # the part of the target without a price; None where no target was chosen

    def title(self) -> str:
        more = f" and {len(self.steps) - 1} more" if len(self.steps) > 1 else ""
        return f"the price of `{self.steps[0]}`{more} is unknown, so `cost` does not bound it"

    def marks(self) -> tuple[Mark, ...]:
        return (Mark(self.at), *((Mark(self.machine, "states no price"),) if self.machine else ()))

    def why(self) -> str:
        if self.machine is not None:
            return "cost is time times the price of the machine"
        return "cost is time times the price of a machine, and this machine states none"

    def fixes(self) -> tuple[Fix, ...]:
        if self.machine is None:
            return (Fix("plan for a target that states prices: `--target NAME`"),)
        return (Fix("add `price: ... USD/h` to the machine"),)
