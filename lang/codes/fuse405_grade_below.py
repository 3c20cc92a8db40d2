"""FUSE405: an output below the required grade."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span

PROMISES = {
    "exact": "`exact` promises the same bytes anywhere",
    "seeded": "`seeded` promises the same bytes on the same stack and kind of device, given the seed",
}


@dataclass(frozen=True)
class GradeBelow(Diagnostic, code="FUSE405"):
    """An output is less repeatable than the command requires.

    Each verb promises a grade. `exact`: the same bytes anywhere. `seeded`: the same bytes on the same stack
    and kind of device, given the seed. `external`: an outside service took part, and its answers are
    stored. An output has the worst grade of all it is made from, so one external step is enough to lower
    everything after it.

    ```console
    $ fusec plan generalist.fuse --require exact
    error[FUSE405]: `generalist` is seeded, exact is required
    $ fusec plan generalist.fuse --require seeded
    ```

    Merging is exact and training is seeded, so a merge of experts trained in the same spec is seeded. Taken
    from their published folders as sources, the experts are fixed bytes, and the merge is exact again.
    """

    name: str
    at: Span
    grade: str
    required: str
    because: str  # "`finetune` is seeded"

    def title(self) -> str:
        return f"`{self.name}` is {self.grade}, {self.required} is required"

    def marks(self) -> tuple[Mark, ...]:
        return (Mark(self.at, self.because),)

    def why(self) -> str:
        return PROMISES.get(self.required, "")

    def fixes(self) -> tuple[Fix, ...]:
        return (
            Fix(f"require less with `--require {self.grade}`, or leave out the step that lowers the grade"),
        )
