"""FUSE505: a file written by a newer fusec."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark


@dataclass(frozen=True)
class NewerFormat(Diagnostic, code="FUSE505"):
    """A plan, a lock, a manifest or a store was written by a newer fusec.

    Each of these files names its own format. A newer fusec reads older ones; an older fusec refuses newer
    ones, because a part that it does not know could change what the rest means.

    ```console
    $ fusec run quick.plan
    error[FUSE505]: the plan quick.plan has format 9, this fusec reads up to 1
    hint: use the newer fusec that wrote it
    ```

    The fusec that wrote the file reads it:

    ```console
    $ pip install --upgrade fusec
    $ fusec run quick.plan
    ```
    """

    what: str  # "the plan quick.plan"
    format: int
    newest: int

    def title(self) -> str:
        return f"{self.what} has format {self.format}, this fusec reads up to {self.newest}"

    def marks(self) -> tuple[Mark, ...]:
        return ()

    def fixes(self) -> tuple[Fix, ...]:
        return (Fix("use the newer fusec that wrote it"),)
