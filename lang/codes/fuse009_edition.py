"""FUSE009: the edition is missing, unknown or not the first line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fusec.lang.diagnostics import Diagnostic, Edit, Fix, Mark
from fusec.lang.source import Span

EDITIONS = (2026,)


@dataclass(frozen=True)
class BadEdition(Diagnostic, code="FUSE009"):
    """A spec does not begin with an edition that this fusec knows.

    The first line says which edition of the language the file is written in. A later fusec may change
    defaults in a new edition, and a file keeps the meaning it had when it was written.

    ```fuse fails
    model base from "fixture:llama-a"

    output base to "./models/copy"
    ```

    With the edition in front:

    ```fuse
    edition 2026

    model base from "fixture:llama-a"

    output base to "./models/copy"
    ```
    """

    at: Span
    problem: Literal["missing", "unknown", "late", "twice"]

    def title(self) -> str:
        return {
            "missing": "the spec does not say its edition",
            "unknown": f"there is no edition {self.at.text}",
            "late": "the edition stands after other declarations",
            "twice": "the edition is said twice",
        }[self.problem]

    def marks(self) -> tuple[Mark, ...]:
        notes = {"missing": "`edition 2026` belongs before this", "late": "belongs on the first line"}
        return (Mark(self.at, notes.get(self.problem, "")),)

    def why(self) -> str:
        return "the edition fixes what the words of a spec mean, also for later versions of fusec"

    def fixes(self) -> tuple[Fix, ...]:
        source, newest = self.at.source, EDITIONS[-1]
        match self.problem:
            case "missing":
                edit = Edit(Span(source, 0, 0), f"edition {newest}\n\n")
                return (Fix(f"write `edition {newest}` on the first line", (edit,), "safe"),)
            case "unknown":
                edit = Edit(self.at, str(newest))
                return (Fix(f"write `edition {newest}`", (edit,), "maybe"),)
            case "late":
                moved = (Edit(Span(source, 0, 0), self.at.text + "\n\n"), Edit(self.at, ""))
                return (Fix("move it to the first line", moved, "safe"),)
            case "twice":
                return (Fix("remove this one", (Edit(self.at, ""),), "safe"),)
