"""FUSE504: a plan whose packages are not installed here as they were."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark


@dataclass(frozen=True)
class PackageDiffers(Diagnostic, code="FUSE504"):
    """A plan takes verbs from a package that is absent on this machine, or there in another version.

    The code of a package makes results, so a plan names each package by version and by the hash of its files.
    A machine that runs the plan must have the very same ones. Files edited in place count as another
    package, even under the same version.

    ```console
    $ fusec run notes.plan
    error[FUSE504]: the plan was made with acme 1.2#4c1f, and acme 1.3#77b9 is installed here
    hint: install version 1.2 to run it as it was planned, or plan again
    ```

    With the package it was planned with, it runs:

    ```console
    $ pip install acme==1.2
    $ fusec run notes.plan
    ```
    """

    planned: str
    here: str  # a clause: "acme 1.3#77b9 is installed here"
    hint: str

    def title(self) -> str:
        return f"the plan was made with {self.planned}, and {self.here}"

    def marks(self) -> tuple[Mark, ...]:
        return ()

    def fixes(self) -> tuple[Fix, ...]:
        return (Fix(self.hint),)
