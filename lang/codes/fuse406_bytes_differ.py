"""FUSE406: a step that gave other bytes than before."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark


@dataclass(frozen=True)
class BytesDiffer(Diagnostic, code="FUSE406"):
    """A step gave other bytes than an earlier run of the same step on the same inputs.

    Results are filed under what they were made from, so two runs of one step must agree. A step of grade
    `exact` agrees everywhere. Where it does not, a library or a device computes differently (see FUSE407),
    the number of threads changed an order of additions, memory is faulty, or the step is not what it claims.
    The result that is stored already stays, and nothing made from the new one is published.

    ```console
    $ fusec replay .fusec/runs/20260101-120000-abcdef/manifest.json
    error[FUSE406]: `merged` claims to be exact and gave other bytes: 1f0c7a22d9b1 then, 77b9c04e5a10 now
    hint: compare the environments, and report a step that differs within one
    ```

    In the environment of the first run it agrees again:

    ```console
    $ pip install -r constraints.txt
    $ fusec replay .fusec/runs/20260101-120000-abcdef/manifest.json
    ```
    """

    step: str
    recorded: str
    made: str
    hint: str = "compare the environments, and report a step that differs within one"

    def title(self) -> str:
        return f"`{self.step}` claims to be exact and gave other bytes: {self.recorded} then, {self.made} now"

    def marks(self) -> tuple[Mark, ...]:
        return ()

    def fixes(self) -> tuple[Fix, ...]:
        return (Fix(self.hint),)
