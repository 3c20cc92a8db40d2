"""FUSE116: a secret in an address."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span


@dataclass(frozen=True)
class SecretInAddress(Diagnostic, code="FUSE116"):
    """The address of an endpoint, or of a folder on another machine, carries a password or a key.

    A spec is made to be shared, and its address would go into the lock, the plan and the manifest, which are
    made to be shared too. So secrets never stand in a spec: the machine that asks an endpoint takes the key
    from its own environment, and the one that reads a folder takes the login from `~/.netrc` or from the
    settings of its object store. A key that was written down here is best taken to be known, and renewed.

    ```fuse fails
    edition 2026

    model critic from "https://llm.example.org/v1?api_key=k123" { model: "critic-large" }
    model base from "fixture:llama-a"

    output base to "./out/base"
    ```

    ```fuse
    edition 2026

    model base from "fixture:llama-a"

    output base to "./out/base"
    ```
    """

    name: str
    at: Span
    holds: str  # "a password", "the query parameter `api_key`"

    def title(self) -> str:
        return f"the address of `{self.name}` holds {self.holds}"

    def marks(self) -> tuple[Mark, ...]:
        return (Mark(self.at),)

    def why(self) -> str:
        return "a spec, its lock and its manifests are shared, and a secret in them is no longer one"

    def fixes(self) -> tuple[Fix, ...]:
        return (Fix("take it out of the address and renew it; workers read keys from their environment"),)
