"""FUSE207: a thing of another kind."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span
from fusec.lang.wording import an, code


@dataclass(frozen=True)
class KindDiffers(Diagnostic, code="FUSE207"):
    """A thing of one kind stands where another kind is wanted.

    The keyword in front of a declaration fixes its kind: a `model` is a Model, a `data` is Data, and nothing
    turns one into the other by itself. The mark shows where the kinds meet. Often two slots were
    swapped, or a verb that gives a Report was put behind the keyword `model`.

    ```fuse fails
    edition 2026

    data pairs from "fixture:pairs"

    model tuned = finetune {
      model: pairs
      data: pairs
      epochs: 1
      lr: 1e-5
      seed: 17
    }

    output tuned to "./out/tuned"
    ```

    ```fuse
    edition 2026

    model base from "fixture:llama-a"
    data pairs from "fixture:pairs"

    model tuned = finetune {
      model: base
      data: pairs
      epochs: 1
      lr: 1e-5
      seed: 17
    }

    output tuned to "./out/tuned"
    ```
    """

    at: Span
    got: str  # a type: "Data", or a clause: "`pairs` is Data"
    wants: str  # a type: "Model", or a phrase: "a Model or a Delta"
    by: str  # who wants it: a slot, a verb, a declaration's keyword
    declared: Span | None = None

    def title(self) -> str:
        return f"{self._what_it_is()}, {code(self.by)} wants {an(self.wants)}"

    def marks(self) -> tuple[Mark, ...]:
        if self.declared is None:
            return (Mark(self.at),)
        return Mark(self.at), Mark(self.declared, "declared here")

    def why(self) -> str:
        return "a kind is fixed where a thing is declared and never converts by itself"

    def fixes(self) -> tuple[Fix, ...]:
        return (Fix(f"put {an(self.wants)} here"),)

    def _what_it_is(self) -> str:
        if " is " in self.got:
            return self.got
        text = self.at.text
        return f"{f'`{text}`' if text.isidentifier() else 'this'} is {an(self.got)}"
