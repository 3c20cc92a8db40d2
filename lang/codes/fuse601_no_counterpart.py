"""FUSE601: a setting of another tool that fusec cannot express."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span


@dataclass(frozen=True)
class NoCounterpart(Diagnostic, code="FUSE601"):
    """A configuration of another tool asks for something that fusec cannot do yet.

    An import translates all of a file or nothing: a merge that silently lost one of its settings would run
    and give another model. The message names the setting, what it would change, and the nearest thing that
    fusec can do. The nearest thing is another merge, so it is never chosen without the author.

    ```console
    $ fusec import mergekit merge.yml
    error[FUSE601]: `density` differs between the models
      --> merge.yml:9:16
       |
     9 |       density: 0.3
       |                ^^^
     6 |       density: 0.5
       |                --- another density here
       |
      why: `ties` of fusec trims every expert to one share
      fix: give all models one density
    ```

    With one density for all models the file can be translated:

    ```console
    $ fusec import mergekit merge.yml -o merge.fuse
    ```
    """

    says: str
    at: Span
    reason: str
    nearest: str
    note: str = ""
    other: Span | None = None
    other_note: str = ""

    def title(self) -> str:
        return self.says

    def marks(self) -> tuple[Mark, ...]:
        also = () if self.other is None else (Mark(self.other, self.other_note),)
        return (Mark(self.at, self.note), *also)

    def why(self) -> str:
        return self.reason

    def fixes(self) -> tuple[Fix, ...]:
        return (Fix(self.nearest),)
