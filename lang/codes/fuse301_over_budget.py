"""FUSE301: a plan that exceeds its budget."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span

LEAD = "any one of   "


@dataclass(frozen=True)
class OverBudget(Diagnostic, code="FUSE301"):
    """The plan costs more than a limit of the `budget` block allows.

    A budget bounds the whole plan. Its limits are compared with the estimate before anything runs, and are
    metered while it runs. The message lists who spends most, and changes that would fit. Raising the
    limit is a fix too; then it stands in the spec, where a reviewer sees it.

    `expert_reads` is divided among the merges of a plan where the catalog knows their experts, so that each
    reads the blocks that matter most. Where it does not, the message says which analysis would let it.

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
      reads: 1 KB
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
      reads: 1 GB
    }

    output merged to "./out/merged"
    ```
    """

    at: Span
    limit: str  # the slot of the budget: "gpu"
    needs: str  # "512 gpu-hours"
    allows: str  # "420"
    spenders: tuple[tuple[str, str, str, str], ...]  # (name, amount, share, note), most expensive first
    ways: tuple[tuple[str, str], ...] = ()  # (a change, what the plan would then need)
    analysis: tuple[str, str] | None = None  # (a command, what it reads), after which the limit is divided

    def title(self) -> str:
        allows = self.allows if self._compound() else self.allows.removesuffix(self._unit())
        return f"the plan needs {self.needs}, the budget allows {allows}"

    def marks(self) -> tuple[Mark, ...]:
        return (Mark(self.at),)

    def tables(self) -> tuple[tuple[str, str], ...]:
        if not self.spenders:
            return ()
        unit = self._unit()
        if not self._compound() and all(amount.endswith(unit) for _, amount, _, _ in self.spenders):
            rows = tuple((name, amount.removesuffix(unit), *rest) for name, amount, *rest in self.spenders)
        else:
            rows = self.spenders
        return (("where it goes", _columns(rows, right=(1, 2))),)

    def _compound(self) -> bool:
        """Whether an amount has several units, "1 min 59 s": then the title cannot say it for all."""
        return any(text.count(" ") > 1 for text in (self.needs, *(amount for _, amount, *_ in self.spenders)))

    def _unit(self) -> str:
        return " " + self.needs.rpartition(" ")[2]

    def fixes(self) -> tuple[Fix, ...]:
        found = []
        if self.analysis is not None:
            command, reads = self.analysis
            what = "the merges then share the limit, by what matters most"
            found.append(Fix(f"run `{command}`  (reads {reads} once): {what}"))
        if self.ways:
            lead = LEAD if len(self.ways) > 1 else ""
            found.append(Fix(lead + _columns(self.ways).replace("\n", "\n" + " " * len(lead))))
        else:
            found.append(Fix(f"raise `{self.limit}` to {self.needs}, or ask the largest spender for less"))
        return tuple(found)


def _columns(rows: tuple[tuple[str, ...], ...], right: tuple[int, ...] = ()) -> str:
    """One line a row; numbers in the columns `right` are aligned at their end."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("   ".join(cells).rstrip())
    return "\n".join(lines)
