"""FUSE201: two models of different weight spaces or ancestors."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span


@dataclass(frozen=True)
class DifferentSpace(Diagnostic, code="FUSE201"):
    """Two models that do not share one weight space are to be combined weight by weight.

    Combining weights adds the number at one place of one tensor to the number at the same place of the
    other. That means something only if both have the same tensors, by name and shape, and grew from the
    same checkpoint: two models trained from different starts put different things at the same place, and
    their mean is worse than either. What people want here is one model with both skills, and skills can be
    carried over by outputs: let the other model teach the base.

    A delta has to fit the same way: every tensor that an adapter or a task vector changes must be in the
    base, in that shape. Where the embedding of a base is its head too, an adapter of one of them changes what
    the base cannot hold apart, so it does not fit.

    ```fuse fails
    edition 2026

    model base from "fixture:llama-a"
    model math from "fixture:llama-a-math"
    model law from "fixture:llama-b"

    model merged = merge {
      base: base
      experts: [math, law]
      method: average
    }

    output merged to "./out/merged"
    ```

    ```fuse
    edition 2026

    model base from "fixture:llama-a"
    model math from "fixture:llama-a-math"
    model code from "fixture:llama-a-code"

    model merged = merge {
      base: base
      experts: [math, code]
      method: average
    }

    output merged to "./out/merged"
    ```
    """

    other: str
    other_at: Span
    other_is: str  # "llama31_8b: 291 tensors, vocabulary 128256"
    base: str
    base_at: Span
    base_is: str
    detail: str = ""  # the first thing that differs, in a few words
    reason: str = "space"  # names or shapes differ; "root": ancestors do; "delta", "layers": one does not fit

    def title(self) -> str:
        if self.reason == "root":
            return f"`{self.other}` descends from another checkpoint than `{self.base}`"
        if self.reason == "delta":
            return f"`{self.other}` changes what `{self.base}` does not have"
        if self.reason == "layers":
            return f"the layers of `{self.other}` do not fit on those of `{self.base}`"
        return f"`{self.other}` lives in another weight space than `{self.base}`"

    def marks(self) -> tuple[Mark, ...]:
        return Mark(self.other_at, self.other_is), Mark(self.base_at, self.base_is)

    def tables(self) -> tuple[tuple[str, str], ...]:
        return (("differs", self.detail),) if self.detail else ()

    def why(self) -> str:
        if self.reason == "root":
            return "an update learned on one checkpoint means nothing on another, even where all shapes agree"
        if self.reason == "delta":
            return "a delta is added to the tensors of the model it was taken from, by name and shape"
        if self.reason == "layers":
            return "each layer takes what the one below it gives, so all have the same tensors and shapes"
        return "merging adds weights tensor by tensor, so names, shapes and ancestor must agree"

    def fixes(self) -> tuple[Fix, ...]:
        if self.reason == "delta":
            return (Fix(f"name the model that `{self.other}` was trained on as the base"),)
        if self.reason == "layers":
            return (Fix("take layers from models of one architecture, size and vocabulary"),)
        return (
            Fix(
                f"merge models that were trained from `{self.base}`, or start from the base of `{self.other}`"
            ),
        )

    def see(self) -> str:
        return "fusec explain FUSE201"
