"""FUSE003: a declaration that does not begin at the left margin."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Edit, Fix, Mark
from fusec.lang.source import Span


@dataclass(frozen=True)
class NotAtColumn0(Diagnostic, code="FUSE003"):
    """A declaration does not begin at the left margin.

    The words `model`, `data`, `output` and their like begin a declaration only at column 0. So the left
    margin of a file is its table of contents, a mistake never spreads past the next declaration, and
    slots may be called `model` or `data` without quotes.

    ```fuse fails
    edition 2026

      model base from "fixture:llama-a"

    output base to "./models/copy"
    ```

    The same without the indentation:

    ```fuse
    edition 2026

    model base from "fixture:llama-a"

    output base to "./models/copy"
    ```
    """

    keyword: Span

    def title(self) -> str:
        return f"`{self.keyword.text}` begins a declaration, so it belongs at the left margin"

    def marks(self) -> tuple[Mark, ...]:
        return (Mark(self.keyword, f"column {self.keyword.position.column}"),)

    def why(self) -> str:
        return "declarations are known by their keyword at column 0, and only there"

    def fixes(self) -> tuple[Fix, ...]:
        source, start, _ = self.keyword
        line = source.line_start(self.keyword.position.line)
        if source.text[line:start].strip():
            return (Fix("begin a new line here", (Edit(Span(source, start, start), "\n"),), "safe"),)
        return (Fix("remove the spaces before it", (Edit(Span(source, line, start), ""),), "safe"),)
