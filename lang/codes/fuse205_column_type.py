"""FUSE205: a column of another type."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span
from fusec.lang.wording import code


@dataclass(frozen=True)
class ColumnTypeDiffers(Diagnostic, code="FUSE205"):
    """A column is there, but holds values of another type than the step works on.

    Column types are exact, with one exception: Int fits where Float is wanted. Text is never taken for a
    number, nor one value for a list of one, because such guesses are right on the first thousand rows and
    wrong on the next. Most often another column was meant.

    ```fuse fails
    edition 2026

    model base from "fixture:llama-a"
    data lessons from "fixture:pairs"
      |> select { prompt: .quality, response: .response }

    model tuned = finetune {
      model: base
      data: lessons
      epochs: 1
      lr: 1e-5
      seed: 17
    }

    output tuned to "./out/tuned"
    ```

    ```fuse
    edition 2026

    model base from "fixture:llama-a"
    data lessons from "fixture:pairs"
      |> select { prompt: .prompt, response: .response }

    model tuned = finetune {
      model: base
      data: lessons
      epochs: 1
      lr: 1e-5
      seed: 17
    }

    output tuned to "./out/tuned"
    ```
    """

    column: str
    at: Span
    has: str  # a column type: "Float"
    wants: str
    by: str  # the verb, function or operator that reads the column
    clause: str = ""  # for an expression: "`>` compares like with like, these are Float and Str"

    def title(self) -> str:
        if self.clause:
            return self.clause
        return f"the column `{self.column}` holds {self.has}, {code(self.by)} wants {self.wants}"

    def marks(self) -> tuple[Mark, ...]:
        if self.clause:
            return (Mark(self.at, f"in `{self.by}`"),)
        return (Mark(self.at, f"`{self.column}` is {self.has} here"),)

    def why(self) -> str:
        return "column types are exact, except that Int fits where Float is wanted"

    def fixes(self) -> tuple[Fix, ...]:
        if self.clause:
            return ()
        return (Fix(f"use a column that holds {self.wants}"),)
