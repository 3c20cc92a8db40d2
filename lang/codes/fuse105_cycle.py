"""FUSE105: a result made from itself."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span


@dataclass(frozen=True)
class Cycle(Diagnostic, code="FUSE105"):
    """A name is made, by way of others, from itself.

    A spec denotes a graph without cycles: each result is made once, from results that are there before it.
    Training in rounds is still easy to write, because every round is another result and deserves another
    name: `round_1`, `round_2`.

    ```fuse fails
    edition 2026

    model base from "fixture:llama-a"
    data pairs from "fixture:pairs"

    model tuned = finetune {
      model: merged
      data: pairs
      epochs: 1
      lr: 1e-5
      seed: 17
    }

    model merged = merge {
      base: base
      experts: [tuned]
      method: average
    }

    output merged to "./out/merged"
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

    model merged = merge {
      base: base
      experts: [tuned]
      method: average
    }

    output merged to "./out/merged"
    ```
    """

    tells_a_story = True

    steps: tuple[tuple[str, Span, str], ...]  # (name, where it is declared, the name it needs), in order

    def title(self) -> str:
        return f"`{self.steps[0][0]}` is made from itself"

    def marks(self) -> tuple[Mark, ...]:
        if len(self.steps) == 1:
            return (Mark(self.steps[0][1], "needs itself"),)
        return tuple(Mark(at, f"needs `{needs}`") for _, at, needs in self.steps)

    def why(self) -> str:
        return "a spec is a graph without cycles; a second round is a second name"

    def fixes(self) -> tuple[Fix, ...]:
        name, _, needs = self.steps[-1]
        other = "itself" if name == needs else f"`{needs}`"
        return (Fix(f"let `{name}` start from something other than {other}, or declare `{needs}_2`"),)
