"""FUSE403: a source that is not pinned."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span


@dataclass(frozen=True)
class NotPinned(Diagnostic, code="FUSE403", level="warning"):
    """A source may be different tomorrow, and nothing records what it is today.

    A branch on a hub moves, and a folder can be overwritten. Without a lock the same spec then means other
    weights or other rows, and a run cannot be repeated. `fusec lock` writes the commit and the hashes
    beside the spec; commit that file together with it. `fusec run SPEC` pins what is not pinned yet; a plan
    that was saved before runs only after it.

    ```console
    $ fusec plan generalist.fuse -o generalist.plan
    warning[FUSE403]: `base` is not pinned
    $ fusec lock generalist.fuse
    $ fusec plan generalist.fuse -o generalist.plan
    ```

    Teams that want no spec without a lock ask for it: `fusec check --deny 403`.
    """

    name: str
    at: Span
    what: str  # beside the source: "there is no lock", "not in the lock"

    def title(self) -> str:
        return f"`{self.name}` is not pinned"

    def marks(self) -> tuple[Mark, ...]:
        return (Mark(self.at, self.what),)

    def why(self) -> str:
        return "the same spec may mean other bytes tomorrow"

    def fixes(self) -> tuple[Fix, ...]:
        return (Fix(f"record what it is today: `fusec lock {self.at.source.name}`"),)
