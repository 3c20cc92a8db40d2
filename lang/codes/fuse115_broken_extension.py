"""FUSE115: a package whose verbs cannot be used."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span


@dataclass(frozen=True)
class BrokenExtension(Diagnostic, code="FUSE115"):
    """A package named by `extend` is installed, and its declarations do not work.

    Importing it raises an exception, a declaration lacks what every verb needs (a kernel that exists, a
    subject that is a slot, a type rule, a type that the checker understands for each slot), or its type rule
    fails on this spec. The message says which and, where it can, on which line. The mistake is in the
    package, so nothing in the spec mends it.

    ```console
    $ fusec check notes.fuse
    error[FUSE115]: the package `acme_fuse_steps` does not work
    $ python -c "import acme_fuse_steps"
    $ pip install acme_fuse_steps==1.0
    $ fusec check notes.fuse
    ```

    How a package declares verbs is described in `docs/extending.md`.
    """

    package: str
    at: Span
    what: str  # "importing it fails: ValueError: ... (acme_fuse_steps.verbs, line 7)"

    def title(self) -> str:
        return f"the package `{self.package}` does not work"

    def marks(self) -> tuple[Mark, ...]:
        return (Mark(self.at, self.what),)

    def why(self) -> str:
        return "a verb is planned from its declaration, so every declaration of a package must be whole"

    def fixes(self) -> tuple[Fix, ...]:
        return (Fix("repair the package, or install a version of it that works"),)
