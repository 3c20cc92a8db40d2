"""FUSE006: a unit that does not exist."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Edit, Fix, Mark
from fusec.lang.source import Span
from fusec.lang.units import UNITS, near_units


@dataclass(frozen=True)
class UnknownUnit(Diagnostic, code="FUSE006"):
    """A number is followed by a word that is not a unit.

    Quantities carry their unit, so that bytes and seconds cannot be mixed up:

    | of | units |
    |---|---|
    | size | `KB MB GB TB PB` (decimal), `KiB MiB GiB TiB PiB` (binary), `B` |
    | rate | a size and `/s`, `tokens/s` |
    | time | `ms s min h d` |
    | compute | `gpu-hours` |
    | money and prices | `USD EUR`, `USD/h EUR/h` |
    | share | `%` |
    | count | `tokens rows params steps samples` |

    `k`, `M`, `B` and `T` directly after a number multiply it: `300M tokens`.

    ```fuse fails
    edition 2026

    model base from "fixture:llama-a"
    model expert from "fixture:llama-a-math"

    model both = merge {
      base: base
      experts: [expert]
      method: average
      expert_reads: 24 GBs
    }

    output both to "./models/both"
    ```

    A size is written in `GB`:

    ```fuse
    edition 2026

    model base from "fixture:llama-a"
    model expert from "fixture:llama-a-math"

    model both = merge {
      base: base
      experts: [expert]
      method: average
      expert_reads: 24 GB
    }

    output both to "./models/both"
    ```
    """

    unit: Span
    number: Span
    slot: str = ""
    wanted: str = ""
    """What the slot takes, such as `Size`, when that is known."""

    def _near(self) -> list[str]:
        near = near_units(self.unit.text)
        fitting = [name for name in near if UNITS[name].dimension == self.wanted]
        return (fitting or near)[:2] if self.wanted else near[:2]

    def title(self) -> str:
        return f"`{self.unit.text}` is not a unit"

    def marks(self) -> tuple[Mark, ...]:
        near = [f"`{name}` ({UNITS[name].dimension.lower()})" for name in near_units(self.unit.text)[:2]]
        return (Mark(self.unit, "close to " + " and ".join(near) if near else ""),)

    def why(self) -> str:
        return f"`{self.slot}` is a {self.wanted}" if self.slot and self.wanted else ""

    def fixes(self) -> tuple[Fix, ...]:
        near = self._near()
        if not near:
            names = sorted({unit.name for unit in UNITS.values() if len(unit.name) > 1})
            return (Fix("use one of " + ", ".join(names)),)
        text = near[0] if near[0] == "%" else f" {near[0]}"
        edit = Edit(Span(self.unit.source, self.number.end, self.unit.end), text)
        sure = near[0].lower() in (self.unit.text.lower(), self.unit.text.lower().removesuffix("s"))
        return (Fix(f"write `{self.number.text}{text}`", (edit,), "safe" if sure else "maybe"),)
