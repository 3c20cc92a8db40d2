"""FUSE113: a source that is not there."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span


@dataclass(frozen=True)
class SourceNotFound(Diagnostic, code="FUSE113"):
    """What a `from` names is not there.

    Checking a spec reads the headers, configs and schemas of its sources (never weights, never rows), so
    they must be within reach. A local path is relative to the spec. An `hf:` source is taken from the local
    cache first and from the hub second; without network, only what the cache holds can be used. A folder on
    another machine (`https:`, `s3:`) is asked for its headers, until they are in the lock.

    ```fuse fails
    edition 2026

    model math from "./missing-model"

    output math to "./out/math"
    ```

    ```fuse
    edition 2026

    model math from "fixture:llama-a-math"

    output math to "./out/math"
    ```
    """

    name: str
    at: Span
    what: str  # one sentence that names the path, package or repository
    hint: str = ""

    def title(self) -> str:
        return f"the source of `{self.name}` is not there"

    def marks(self) -> tuple[Mark, ...]:
        return (Mark(self.at, self.what.removesuffix(".")),)

    def why(self) -> str:
        return "types come from the headers of the sources, so nothing made from this one can be checked"

    def fixes(self) -> tuple[Fix, ...]:
        return (Fix(self.hint or "correct the path, or fetch what it names"),)
