"""FUSE405: an output that can be repeated less exactly than is required."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span

MEANS = {
    "exact": "the same bytes everywhere",
    "seeded": "the same bytes for one seed on one kind of machine",
    "external": "whatever a service outside answers",
}


@dataclass(frozen=True)
class GradeTooLow(Diagnostic, code="FUSE405"):
    """An output is of a lower grade than `--require` asks for.

    Every step has a grade. `exact` gives the same bytes wherever it runs, `seeded` gives them again for the
    same seed on the same kind of machine, `external` depends on a service that fusec does not control. An
    output has the lowest grade of the steps it is made by. `--require` turns a promise about the outputs
    into a check: nothing is planned or run while one of them falls short.

    ```console
    $ fusec plan generalist.fuse --require exact
    error[FUSE405]: the output `generalist` is seeded, exact is required
      --> generalist.fuse:21:1
       |
    21 | output generalist to "./models/generalist"
       | ^^^^^^ made by way of `math`
     8 | model math = finetune {
       |              -------- `finetune` is seeded
       |
      fix: take its result as a source that is pinned, or allow it: `--require seeded`
    ```

    Trained once and pinned, the expert is a source like any other, and what is made from it is exact:

    ```console
    $ fusec plan merge_only.fuse --require exact
    ```
    """

    output: str
    at: Span
    grade: str
    required: str
    step: str
    verb: str
    step_at: Span

    def title(self) -> str:
        return f"the output `{self.output}` is {self.grade}, {self.required} is required"

    def marks(self) -> tuple[Mark, ...]:
        return (
            Mark(self.at, f"made by way of `{self.step}`"),
            Mark(self.step_at, f"`{self.verb}` is {self.grade}"),
        )

    def why(self) -> str:
        return f"{self.grade} means {MEANS[self.grade]}; {self.required} means {MEANS[self.required]}"

    def fixes(self) -> tuple[Fix, ...]:
        allow = f"`--require {self.grade}`" if self.grade == "seeded" else "leave `--require` out"
        return (Fix(f"take the result of `{self.step}` as a source that is pinned, or allow it: {allow}"),)
