"""FUSE310: a run that crossed a limit of its budget."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark


@dataclass(frozen=True)
class LimitCrossed(Diagnostic, code="FUSE310"):
    """A run used more than a limit of the `budget` block allows, and stopped there.

    A plan that is over its budget never starts (FUSE301). But a plan is an estimate, so each limit is also
    metered while the plan runs: bytes as they are read and written, tokens of teachers, time, time on GPUs,
    and money by the price of the machine. The step that crosses a limit is stopped and leaves nothing behind,
    or is the last one if it had just finished. No output is published. What was finished before is kept in
    the store.

    ```console
    $ fusec run train.fuse
    error[FUSE310]: the run used 2.1 gpu-hours of `gpu`, the budget allows 2 gpu-hours: `tuned` was stopped
    hint: what was finished is kept: run again to go on from there, or raise `gpu` above 2.1 gpu-hours
    ```

    The next run computes only what is missing, and is metered from the beginning:

    ```console
    $ fusec run train.fuse
    ```
    """

    step: str
    limit: str  # the slot of the budget: "gpu"
    used: str  # "2.1 gpu-hours", by the whole run
    allows: str  # "2 gpu-hours"
    finished: bool  # whether the step was done when the limit was found crossed

    def title(self) -> str:
        crossed = f"the run used {self.used} of `{self.limit}`, the budget allows {self.allows}"
        if self.finished:
            return f"{crossed}: nothing is done after `{self.step}`"
        return f"{crossed}: `{self.step}` was stopped"

    def marks(self) -> tuple[Mark, ...]:
        return ()

    def fixes(self) -> tuple[Fix, ...]:
        kept = "what was finished is kept: run again to go on from there"
        return (Fix(f"{kept}, or raise `{self.limit}` above {self.used}"),)
