"""FUSE309: a read budget, and nothing known of the blocks to choose from."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span
from fusec.lang.wording import code


@dataclass(frozen=True)
class NotAnalysed(Diagnostic, code="FUSE309"):
    """A merge shall read less than everything, but the catalog does not know what to leave out.

    Under a read budget a merge reads the blocks that matter most. How much a block matters is in the catalog
    of the store, once its model has been analysed: `fusec catalog analyze` reads a model once, in full, and
    every later merge under a budget draws on that. Where no merge will follow, `analysis: sampled` reads a
    page of each block instead, less than 1 % of the bytes, and plans by that estimate; no bound of the error
    can be stated then.

    ```console
    $ fusec catalog analyze ./math ./code --base ./base
    ```

    What is known is kept by content. A model that has changed since, or lies in another store, is not known.
    """

    at: Span
    slot: str  # "expert_reads"
    unknown: tuple[str, ...]  # the experts, as the spec calls them
    command: str  # "fusec catalog analyze --base ./base ./math"
    reads: str  # what that reads: "2.1 GB"; empty where nobody knows

    def title(self) -> str:
        names = ", ".join(map(code, self.unknown))
        return f"{code(self.slot)} needs to know the blocks of {names}"

    def marks(self) -> tuple[Mark, ...]:
        return (Mark(self.at, "not in the catalog of this store"),)

    def why(self) -> str:
        return "without an analysis every block looks alike, and the ones that matter would be left out"

    def fixes(self) -> tuple[Fix, ...]:
        once = f"  (reads {self.reads} once)" if self.reads else ""
        return (
            Fix(f"run `{self.command}`{once}"),
            Fix("set `analysis: sampled`: less than 1 % is read first, and no bound is stated"),
        )
