"""FUSE402: a lock that is missing or stale."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span


@dataclass(frozen=True)
class LockStale(Diagnostic, code="FUSE402"):
    """The lock has no entry for a source or package, or an entry that it no longer matches.

    The lock beside a spec records what each source was: its revision, the hashes of its files, its tensors
    or columns. With it, a check or a plan gives the same answer on every machine, offline too. A source
    that was added, pointed elsewhere or changed in place needs a new entry. fusec does not write it
    silently, for then the lock would guard nothing. A package that `extend` names is recorded by version and
    by the hash of its files, because its code makes results.

    ```console
    $ fusec check generalist.fuse
    error[FUSE402]: the lock does not match `math`
    $ fusec lock generalist.fuse --update math
    $ git diff
    $ fusec check generalist.fuse
    ```

    Read the difference before it is committed: a changed hash under an unchanged name means that somebody
    replaced the files.
    """

    name: str
    at: Span
    what: str  # beside the source: "not in the lock", "config.json has changed since"

    def title(self) -> str:
        return f"the lock does not match `{self.name}`"

    def marks(self) -> tuple[Mark, ...]:
        return (Mark(self.at, self.what),)

    def why(self) -> str:
        return "a plan is made from what the lock records, so the two must agree"

    def fixes(self) -> tuple[Fix, ...]:
        command = f"fusec lock {self.at.source.name} --update {self.name}"
        return (Fix(f"if the change is meant, record it: `{command}`"),)
