"""FUSE507: licences that do not allow one result."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span
from fusec.lang.wording import line_of


@dataclass(frozen=True)
class LicencesClash(Diagnostic, code="FUSE507", level="warning"):
    """An output is made from things whose licences do not go together.

    A result derives from all its ancestors: a merged model from every expert, a trained one from its base
    and its data. Licences are taken from the cards of models and data sets, or from what the spec states
    with `licence:`. Warned of are combinations that the texts rule out themselves: a licence without
    derivatives, two share-alike licences that each ask for themselves, and a share-alike licence that lets
    results be sold beside one that forbids it. What is not stated, or not in the table, says nothing. This
    is a reminder of what the cards say and no legal advice.

    ```fuse fails
    edition 2026

    model base from "fixture:llama-a" { licence: "apache-2.0" }
    model math from "fixture:llama-a-math" { licence: "cc-by-nd-4.0" }

    model merged = merge {
      base: base
      experts: [math]
      method: average
    }

    output merged to "./out/merged"
    ```

    ```fuse
    edition 2026

    model base from "fixture:llama-a" { licence: "apache-2.0" }
    model code from "fixture:llama-a-code" { licence: "mit" }

    model merged = merge {
      base: base
      experts: [code]
      method: average
    }

    output merged to "./out/merged"
    ```
    """

    result: str
    at: Span
    first: str
    first_licence: str
    first_at: Span
    second: str  # the same as `first` where one licence alone is in the way
    second_licence: str
    second_at: Span
    reason: str

    def title(self) -> str:
        if self.first == self.second:
            return f"`{self.result}` derives from `{self.first}`, which is {self.first_licence}"
        return f"the licences of `{self.first}` and `{self.second}` do not go together in `{self.result}`"

    def marks(self) -> tuple[Mark, ...]:
        both = dict.fromkeys(((self.first, self.first_at), (self.second, self.second_at)))
        sources = " and ".join(f"`{name}` ({line_of(at, self.at)})" for name, at in both)
        marks = [Mark(self.at, f"made from {sources}"), Mark(self.first_at, self.first_licence)]
        if self.first != self.second:
            marks.append(Mark(self.second_at, self.second_licence))
        return tuple(marks)

    def why(self) -> str:
        return self.reason

    def fixes(self) -> tuple[Fix, ...]:
        named = self.first if self.first == self.second else f"{self.first}` or `{self.second}"
        return (Fix(f'leave `{named}` out, or state its licence where the card is wrong: `licence: "…"`'),)
