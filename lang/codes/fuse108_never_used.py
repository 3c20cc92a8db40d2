"""FUSE108: a declaration that nothing needs."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span

ENDINGS = {"model": "", "delta": "", "data": "", "tokenizer": "", "report": ".json"}  # what can be kept
SPOKEN = {"use": "import", "extend": "extension", "param": "parameter", "let": "definition"}


@dataclass(frozen=True)
class NeverUsed(Diagnostic, code="FUSE108", level="hint"):
    """A declaration that no output and no check needs.

    Plans are made backwards from the goals: outputs, checks, and what `--only` names. What no goal needs is
    not read, not computed and not paid for. That is handy while a spec is being written, and a sign of a
    forgotten line once it is finished: an expert declared and left out of the list merges to something
    that looks fine.

    ```fuse fails
    edition 2026

    model base from "fixture:llama-a"
    model math from "fixture:llama-a-math"
    model code from "fixture:llama-a-code"

    model merged = merge {
      base: base
      experts: [math]
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

    name: str
    at: Span
    kind: str  # the declaration's keyword: "model", "param", "use"

    def title(self) -> str:
        return f"`{self.name}` is never used"

    def marks(self) -> tuple[Mark, ...]:
        return (Mark(self.at, f"no output and no check needs this {SPOKEN.get(self.kind, self.kind)}"),)

    def why(self) -> str:
        if self.kind in ENDINGS:
            return "only what an output or a check needs is planned; this will not be read or computed"
        return "nothing in the result would change without it"

    def fixes(self) -> tuple[Fix, ...]:
        if self.kind not in ENDINGS:
            return (Fix("use it, or remove the declaration"),)
        path = f"./out/{self.name}{ENDINGS[self.kind]}"
        return (Fix(f'use it, remove it, or keep the result: `output {self.name} to "{path}"`'),)
