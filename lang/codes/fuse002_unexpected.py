"""FUSE002: a word or mark where the grammar has no place for it."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Edit, Fix, Mark
from fusec.lang.source import Span


@dataclass(frozen=True)
class Unexpected(Diagnostic, code="FUSE002"):
    """A word or a mark stands where it cannot stand.

    The title says what was found or what is missing, and the note beside the mark says what would fit.
    The whole grammar is small: a declaration begins with a keyword at the left margin, `from "…"` says
    where something comes from, `=` says how it is made, `verb { slot: value }` is work and
    `name(argument: value)` is a value. A declaration with such a mistake is set aside: its name stays
    known, and nothing else is said about it.

    ```fuse fails
    edition 2026

    model base from "fixture:llama-a"
    model expert from "fixture:llama-a-math"

    model both = merge {
      base = base
      experts: [expert]
      method: average
    }

    output both to "./models/both"
    ```

    A slot takes a colon; `=` is for declarations:

    ```fuse
    edition 2026

    model base from "fixture:llama-a"
    model expert from "fixture:llama-a-math"

    model both = merge {
      base: base
      experts: [expert]
      method: average
    }

    output both to "./models/both"
    ```
    """

    at: Span
    says: str
    note: str = ""
    reason: str = ""
    other: Mark | None = None
    fix: Fix | None = None

    @classmethod
    def replaced(cls, at: Span, text: str, says: str, *, grade: str = "safe") -> Unexpected:
        """Says that `text` belongs in the place of `at`."""
        fix = Fix(f"write `{text}`", (Edit(at, text),), "safe" if grade == "safe" else "maybe")
        return cls(at, says, fix=fix)

    @classmethod
    def dropped(cls, at: Span) -> Unexpected:
        """Says that the one character `at` means nothing outside a string."""
        char = at.text
        shown = f"`{char}`" if char.isprintable() else f"the control character U+{ord(char):04X}"
        reason = "one statement per line needs no end mark" if char == ";" else ""
        fix = Fix(f"remove {shown}", (Edit(at, ""),), "safe" if char == ";" else "maybe")
        return cls(at, f"{shown} means nothing here", reason=reason, fix=fix)

    def title(self) -> str:
        return self.says

    def marks(self) -> tuple[Mark, ...]:
        here = Mark(self.at, self.note)
        return (here,) if self.other is None else (here, self.other)

    def why(self) -> str:
        return self.reason

    def fixes(self) -> tuple[Fix, ...]:
        return () if self.fix is None else (self.fix,)
