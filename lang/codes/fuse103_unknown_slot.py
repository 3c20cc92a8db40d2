"""FUSE103: a slot, argument, option or limit that does not exist."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark, closest
from fusec.lang.source import Span
from fusec.lang.wording import certainty, code, listing, respell


@dataclass(frozen=True)
class UnknownSlot(Diagnostic, code="FUSE103"):
    """A verb, method, source or budget is given a slot that it does not have.

    Slots are a closed list. A tool that skips what it does not know runs for hours without the setting its
    author typed, and says nothing; so fusec stops at the name. It is nearly always a misspelling, or a
    slot that belongs to the method and not to the verb: `method: ties(density: 0.5)`, not `density: 0.5`
    beside it.

    ```fuse fails
    edition 2026

    model base from "fixture:llama-a"
    model math from "fixture:llama-a-math"

    model merged = merge {
      base: base
      experts: [math]
      method: ties(density: 0.5)
      expert_read: 24 GB
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
      expert_reads: 24 GB
    }

    output merged to "./out/merged"
    ```
    """

    owner: str
    name: str
    at: Span
    known: tuple[str, ...]
    what: str = "slot"  # "slot", "argument", "option" or "limit"

    def title(self) -> str:
        return f"{code(self.owner)} has no {self.what} `{self.name}`"

    def marks(self) -> tuple[Mark, ...]:
        nearest = closest(self.name, self.known)
        return (Mark(self.at, f"closest: `{nearest}`" if nearest else ""),)

    def why(self) -> str:
        return f"an unknown {self.what} would be ignored at run time, so it is refused here"

    def fixes(self) -> tuple[Fix, ...]:
        nearest = closest(self.name, self.known)
        if nearest is None:
            return (Fix(f"remove `{self.name}`"),)
        return (respell(self.at, self.name, nearest, certainty(self.name, nearest, self.known)),)

    def see(self) -> str:
        if not self.known:
            return f"{self.owner} takes no {self.what}s"
        return f"{self.what}s of {self.owner}: {listing(self.known, most=24)}"
