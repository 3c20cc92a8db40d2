"""FUSE111: a value for a parameter that is not declared."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark, closest
from fusec.lang.source import Span
from fusec.lang.wording import listing, respell


@dataclass(frozen=True)
class NotAParameter(Diagnostic, code="FUSE111"):
    """A value is set from outside for a parameter that the spec does not declare.

    Only `param` declarations can be set, by `--set name=value` or by the arguments of `use`. A `let` is
    fixed in the file; to make it adjustable, write `param` in its place. A value that reaches nothing
    would leave the run at its defaults, which nobody notices until the results come in.

    ```console
    $ fusec plan generalist.fuse --set raeds=16GB
    error[FUSE111]: `raeds` is not a parameter of this spec
    ```

    The spec declares `param reads: Size = 24 GB`, so the mended command is:

    ```console
    $ fusec plan generalist.fuse --set reads=16GB
    ```
    """

    name: str
    at: Span
    known: tuple[str, ...]
    owner: str = ""  # the file that `use` names: "curate.fuse"

    def title(self) -> str:
        return f"`{self.name}` is not a parameter of {f'`{self.owner}`' if self.owner else 'this spec'}"

    def marks(self) -> tuple[Mark, ...]:
        nearest = closest(self.name, self.known)
        return (Mark(self.at, f"closest: `{nearest}`" if nearest else ""),)

    def why(self) -> str:
        return "a value that reaches nothing would leave the run at its defaults"

    def fixes(self) -> tuple[Fix, ...]:
        nearest = closest(self.name, self.known)
        if nearest:
            return (respell(self.at, self.name, nearest),)
        return (Fix(f"leave it out, or declare it: `param {self.name} = …`"),)

    def see(self) -> str:
        return f"parameters: {listing(self.known)}" if self.known else "this spec declares no `param`"
