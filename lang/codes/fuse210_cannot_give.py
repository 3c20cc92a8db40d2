"""FUSE210: a model that cannot give what is asked of it."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span
from fusec.lang.types import GIVES
from fusec.lang.wording import an, code, line_of


@dataclass(frozen=True)
class CannotGive(Diagnostic, code="FUSE210"):
    """A model cannot give what a slot, a loss or a method needs of it.

    There are three things to get from a model, and each includes the ones behind it: its weights, the
    probabilities it gives to tokens, and text. A checkpoint is a Model and gives all three. A hosted endpoint
    that returns log-probabilities is a Scorer, any other endpoint a Sampler. Every slot asks for the least
    it needs, so an endpoint may stand wherever only its answers are used, and not where weights are read,
    trained or combined.

    ```fuse fails
    edition 2026

    model base from "fixture:llama-a"
    model critic from "https://llm.example.org/v1" { model: "critic-large" }

    model merged = merge {
      base: base
      experts: [critic]
      method: average
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

    output merged to "./out/merged"
    ```
    """

    name: str
    at: Span
    gives: str  # "Sampler" or "Scorer"
    wants: str  # "Scorer" or "Model"
    asks: str  # who needs more: a verb, "this loss", "output"
    asks_at: Span
    declared: Span | None  # the address of the endpoint

    def title(self) -> str:
        return f"`{self.name}` gives {_thing(self.gives)}, {code(self.asks)} needs {_thing(self.wants)}"

    def marks(self) -> tuple[Mark, ...]:
        line = f", {line_of(self.declared, self.at)}" if self.declared else ""
        is_, asks = f"{self.gives} (hosted endpoint{line})", f"asks for {an(self.wants)}"
        if self.asks_at == self.at:
            marks = [Mark(self.at, f"{asks}, `{self.name}` is a {is_}")]
        else:
            marks = [Mark(self.at, is_), Mark(self.asks_at, asks)]
        if self.declared is not None:
            marks.append(Mark(self.declared, "declared here"))
        return tuple(marks)

    def why(self) -> str:
        if self.wants == "Model":
            return "an endpoint answers questions; its weights stay where they are"
        return "distributions are compared here, and a text answer has none"

    def fixes(self) -> tuple[Fix, ...]:
        if self.wants == "Model":
            return (Fix("use a checkpoint: a folder, or `hf:owner/name`"),)
        return (
            Fix(f"use a checkpoint, or state `logprobs: true` where `{self.name}` returns log-probabilities"),
        )


def _thing(type_: str) -> str:
    return GIVES[type_.lower()]
