"""FUSE010: a doc comment that documents nothing."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Edit, Fix, Mark
from fusec.lang.source import Span


@dataclass(frozen=True)
class MisplacedDoc(Diagnostic, code="FUSE010"):
    """A doc comment `##` does not stand before a declaration.

    `##` documents the declaration that follows: hover texts and generated pages show it. Inside a
    declaration, behind one on its line, or at the end of a file there is nothing it could document. An
    ordinary comment `#` may stand anywhere.

    ```fuse fails
    edition 2026

    model base from "fixture:llama-a"   ## the ancestor

    output base to "./models/copy"
    ```

    Before the declaration it is read as documentation:

    ```fuse
    edition 2026

    ## the ancestor
    model base from "fixture:llama-a"

    output base to "./models/copy"
    ```
    """

    comment: Span

    def title(self) -> str:
        return "this doc comment documents nothing"

    def marks(self) -> tuple[Mark, ...]:
        return (Mark(Span(self.comment.source, self.comment.start, self.comment.start + 2)),)

    def why(self) -> str:
        return "`##` belongs on a line of its own, before a declaration"

    def fixes(self) -> tuple[Fix, ...]:
        hashes = Span(self.comment.source, self.comment.start, self.comment.start + 2)
        return (Fix("make it an ordinary comment with one `#`", (Edit(hashes, "#"),), "safe"),)
