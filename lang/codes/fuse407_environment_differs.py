"""FUSE407: another environment than the one recorded."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark


@dataclass(frozen=True)
class EnvironmentDiffers(Diagnostic, code="FUSE407", level="warning"):
    """A run is repeated in another environment than the one its manifest records.

    The manifest of a run holds the versions of Python and of the libraries that compute, the kind of machine
    and the device. Steps of grade `exact` give the same bytes in another environment too; `seeded` ones, such
    as training, need not. So a replay says what differs before anybody wonders about the bytes. Where a plan
    depends on the version of one package, running it with another version is an error.

    ```console
    $ fusec replay .fusec/runs/20260101-120000-abcdef/manifest.json
    warning[FUSE407]: the run was made with torch 2.12.0, this is torch 2.13.0
    hint: seeded steps may give other bytes here; replay in the environment of the run to compare them
    ```

    In the environment of the run nothing is said:

    ```console
    $ pip install torch==2.12.0
    $ fusec replay .fusec/runs/20260101-120000-abcdef/manifest.json
    ```
    """

    recorded: str  # "torch 2.12.0, device cuda"
    found: str

    def title(self) -> str:
        return f"the run was made with {self.recorded}, this is {self.found}"

    def marks(self) -> tuple[Mark, ...]:
        return ()

    def fixes(self) -> tuple[Fix, ...]:
        say = "seeded steps may give other bytes here; replay in the environment of the run to compare them"
        return (Fix(say),)
