"""FUSE506: two paths that differ only by upper and lower case."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span


@dataclass(frozen=True)
class OnlyByCase(Diagnostic, code="FUSE506", level="warning"):
    """Two outputs, or two sources, have paths that differ only by upper and lower case.

    Most Linux file systems keep `./out/Math` and `./out/math` apart; those of macOS and Windows, and some
    network shares, take them for one. There the second output replaces the first, or two sources read the
    same files.

    ```fuse fails
    edition 2026

    model math from "fixture:llama-a-math"
    model code from "fixture:llama-a-code"

    output math to "./out/expert"
    output code to "./out/Expert"
    ```

    ```fuse
    edition 2026

    model math from "fixture:llama-a-math"
    model code from "fixture:llama-a-code"

    output math to "./out/math"
    output code to "./out/code"
    ```
    """

    at: Span
    path: str
    other_at: Span
    other: str

    def title(self) -> str:
        return f"`{self.path}` and `{self.other}` differ only by upper and lower case"

    def marks(self) -> tuple[Mark, ...]:
        return Mark(self.at), Mark(self.other_at, "the same path on some machines")

    def why(self) -> str:
        return "the file systems of macOS and Windows take the two for one"

    def fixes(self) -> tuple[Fix, ...]:
        return (Fix("give one of them another name"),)
