"""FUSE603: a known setting of another tool with a value or in a place that makes no sense."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span


@dataclass(frozen=True)
class Misfit(Diagnostic, code="FUSE603"):
    """A setting of another tool is missing, stands in the wrong place, or has a value it cannot have.

    The other tool may stop at such a file, read past the setting, or go on with something else. An import
    does not guess which: it says what stands there and what belongs there.

    ```console
    $ fusec import mergekit merge.yml
    error[FUSE603]: `normalize` stands outside `parameters`
      --> merge.yml:8:1
       |
     8 | normalize: false
       | ^^^^^^^^^
       |
      why: mergekit reads past it there, so it never had an effect
      fix: move it below `parameters:`
    ```

    Where it belongs, it is translated:

    ```console
    $ fusec import mergekit merge.yml -o merge.fuse
    ```
    """

    says: str
    at: Span
    fix: str
    reason: str = ""
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
        return (Fix(self.fix),)
