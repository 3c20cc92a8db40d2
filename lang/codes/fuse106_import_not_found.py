"""FUSE106: an import that is not found, or goes in a circle."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark, closest
from fusec.lang.source import Span
from fusec.lang.wording import listing, respell


@dataclass(frozen=True)
class ImportNotFound(Diagnostic, code="FUSE106"):
    """A file named by `use`, or a package named by `extend`, cannot be imported.

    The path after `use` is relative to the file it stands in, not to the folder the command was typed in;
    `pkg:name/file.fuse` names a file of an installed Python package. A moved or renamed file is the usual
    cause. Two files that import each other are refused with the same code: what both need belongs in a
    third file. A package must be installed beside fusec and bring verbs; `pip install` does that.

    ```fuse fails
    edition 2026

    use "no-such-experts.fuse" as experts

    output experts.math to "./out/math"
    ```

    ```fuse
    edition 2026

    model math from "fixture:llama-a-math"

    output math to "./out/math"
    ```
    """

    path: str
    at: Span
    reason: str  # a few words beside the path: "no such file", "imports this file again"
    packages: tuple[str, ...] | None = None  # for `extend`: the installed packages that bring verbs

    def title(self) -> str:
        return f"`{self.path}` cannot be imported"

    def marks(self) -> tuple[Mark, ...]:
        return (Mark(self.at, self.reason),)

    def why(self) -> str:
        if self.packages is not None:
            return "`extend` takes verbs from an installed Python package with entry points in `fusec.steps`"
        return "imports are read first, by paths relative to this file, and never in a circle"

    def see(self) -> str:
        return f"packages with verbs: {listing(self.packages)}" if self.packages else ""

    def fixes(self) -> tuple[Fix, ...]:
        if self.packages is not None:
            nearest = closest(self.path, self.packages)
            if nearest is not None:
                return (respell(self.at, self.path, nearest),)
            return (Fix(f"install it: `pip install {self.path}`"),)
        return (Fix("correct the path; what two files need from each other belongs in a third file"),)
