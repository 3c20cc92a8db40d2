"""FUSE110: an unknown scheme of a source."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark, closest
from fusec.lang.source import Span
from fusec.lang.wording import certainty, listing, respell


@dataclass(frozen=True)
class UnknownScheme(Diagnostic, code="FUSE110"):
    """A source starts with a scheme that fusec cannot read.

    The word before the colon says where a source lives: `hf:` is the Hugging Face hub, `pkg:` an installed
    Python package, `https:` and `s3:` a folder with a model on another machine (data is read from files of
    this one), `fixture:` the tiny models made for examples. A path in the file system has no scheme
    and starts with `./`, `../` or `/`. A bare `org/name` is refused: it could be either.

    ```fuse fails
    edition 2026

    model math from "fixtures:llama-a-math"

    output math to "./out/math"
    ```

    ```fuse
    edition 2026

    model math from "fixture:llama-a-math"

    output math to "./out/math"
    ```
    """

    uri: str
    scheme: str  # without the colon; empty when there is none
    at: Span
    known: tuple[str, ...]

    def title(self) -> str:
        if not self.scheme:
            return f"`{self.uri}` does not say where it comes from"
        return f"`{self.scheme}:` is not a place fusec can read from"

    def marks(self) -> tuple[Mark, ...]:
        nearest = self._nearest()
        return (Mark(self.at, f"closest: `{nearest}:`" if nearest else ""),)

    def why(self) -> str:
        return "the scheme decides how a source is found and pinned, so it is never guessed"

    def fixes(self) -> tuple[Fix, ...]:
        if not self.scheme:
            return (Fix(f"write `hf:{self.uri}` for the Hugging Face hub, `./{self.uri}` for a local path"),)
        nearest = self._nearest()
        if not nearest:
            return (Fix("copy it to a place that can be read, and name that"),)
        grade = certainty(self.scheme, nearest, self.known)
        return (respell(self.at, f"{self.scheme}:", f"{nearest}:", grade),)

    def see(self) -> str:
        return f"schemes: {listing(self.known)}; local paths start with `./`, `../` or `/`"

    def _nearest(self) -> str | None:
        return closest(self.scheme, self.known)
