"""FUSE604: a file to import that is not YAML."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span


@dataclass(frozen=True)
class NotYaml(Diagnostic, code="FUSE604"):
    """A file that is to be imported cannot be read as YAML.

    Usually an indentation slipped, a bracket or quote is not closed, or a tab stands where YAML wants
    spaces. Nothing after that place was looked at.

    ```console
    $ fusec import mergekit merge.yml
    error[FUSE604]: this is not YAML: found character '\\t' that cannot start any token
      --> merge.yml:3:1
    ```

    Mended, the file is read to its end:

    ```console
    $ fusec import mergekit merge.yml -o merge.fuse
    ```
    """

    problem: str
    at: Span
    context: str = ""

    def title(self) -> str:
        return f"this is not YAML: {self.problem}"

    def marks(self) -> tuple[Mark, ...]:
        return (Mark(self.at, self.context),)

    def fixes(self) -> tuple[Fix, ...]:
        return (Fix("mend the YAML; nothing after this place was read"),)
