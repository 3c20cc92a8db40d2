"""FUSE304: a step that needs more memory than the target has."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span


@dataclass(frozen=True)
class OutOfMemory(Diagnostic, code="FUSE304"):
    """A step needs more memory than any machine of the target gives it.

    The need is an estimate from shapes: for training, weights, gradients and the two moments of Adam in fp32;
    the message says what it is made of. On GPUs it is compared with the memory of those that the step holds,
    as if each held an equal part, elsewhere with that of the machine. What a target does not state is taken
    to suffice. The fix is the least that was found to fit.

    ```fuse fails
    edition 2026

    model base from "fixture:llama-a"
    model math from "fixture:llama-a-math"

    model merged = merge {
      base: base
      experts: [math]
      method: average
    }

    target laptop = local(memory: 64 MB)

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

    target laptop = local(memory: 8 GB)

    output merged to "./out/merged"
    ```
    """

    step: str
    target: str
    at: Span
    needs: str  # "28.8 GB"
    spread: str  # "25.6 GB .. 38.4 GB", empty when the need is exact
    has: tuple[tuple[Span, str], ...]  # (a part of the target, "gives 24 GB")
    parts: tuple[tuple[str, str], ...] = ()  # ("gradients", "6.4 GB"), of the need
    ways: tuple[str, ...] = ()  # "ask for `gpus(5)`"

    def title(self) -> str:
        return f"`{self.step}` does not fit in the memory of `{self.target}`"

    def marks(self) -> tuple[Mark, ...]:
        spread = f" (estimate {self.spread})" if self.spread else ""
        return (Mark(self.at, f"needs {self.needs}{spread}"), *(Mark(span, note) for span, note in self.has))

    def tables(self) -> tuple[tuple[str, str], ...]:
        if not self.parts:
            return ()
        width = max(len(name) for name, _ in self.parts)
        last = max(len(amount) for _, amount in self.parts)
        rows = "\n".join(f"{name:<{width}}   {amount:>{last}}" for name, amount in self.parts)
        return (("what it needs", rows),)

    def why(self) -> str:
        return "it would be stopped half way, after the time and money before it were spent"

    def fixes(self) -> tuple[Fix, ...]:
        ways = ", or ".join(self.ways) if self.ways else f"run it where {self.needs} are free"
        return (Fix(f"{ways}, or make the model of the step smaller"),)
