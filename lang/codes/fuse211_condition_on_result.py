"""FUSE211: a condition that depends on a result."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span


@dataclass(frozen=True)
class ConditionOnResult(Diagnostic, code="FUSE211"):
    """The condition of an `if` depends on something that is only known after a run.

    Every spec has exactly one graph, known and priced before anything runs. So `if` may look at parameters
    and literals, not at results. Choosing by a result is work, and the verb for it is `best`: all its
    candidates are in the plan, and so are their costs. Stopping on a bad result is a `check`. If a person
    decides, the decision is a `param`.

    ```fuse fails
    edition 2026

    model base from "fixture:llama-a"
    model math from "fixture:llama-a-math"
    data pairs from "fixture:pairs"

    report score = evaluate { model: math, data: pairs }

    model chosen = if score.accuracy > 0.5 then math else base

    output chosen to "./out/chosen"
    ```

    ```fuse
    edition 2026

    param use_math = true

    model base from "fixture:llama-a"
    model math from "fixture:llama-a-math"
    data pairs from "fixture:pairs"

    model chosen = if use_math then math else base

    report score = evaluate { model: chosen, data: pairs }

    output chosen to "./out/chosen"
    output score to "./out/score.json"
    ```
    """

    at: Span
    result: str

    def title(self) -> str:
        return f"this condition depends on the result `{self.result}`"

    def marks(self) -> tuple[Mark, ...]:
        return (Mark(self.at, "known only after the run"),)

    def why(self) -> str:
        return "the graph of a spec is known and priced before anything runs"

    def fixes(self) -> tuple[Fix, ...]:
        return (Fix("let the verb `best` choose among the results, or decide by a `param`"),)
