"""FUSE501: a path of this machine in a plan for another one."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span


@dataclass(frozen=True)
class LocalPath(Diagnostic, code="FUSE501"):
    """A source lies on this machine, and the target is elsewhere.

    The workers of a cluster open their sources themselves. A path of the machine that plans means nothing to
    them, or worse, something else. Sources with an address of their own, such as `hf:org/name`, can be read
    from anywhere.

    ```fuse fails
    edition 2026

    data probe from "./probe.jsonl"
    report profile = describe { data: probe }

    target cluster = ray(address: "ray://head:10001", nodes: [node(cpus: 64)], store: "/mnt/store")

    output profile to "./out/profile.json"
    ```

    ```fuse
    edition 2026

    data probe from "fixture:text"
    report profile = describe { data: probe }

    target cluster = ray(address: "ray://head:10001", nodes: [node(cpus: 64)], store: "/mnt/store")

    output profile to "./out/profile.json"
    ```
    """

    at: Span
    path: str
    size: str  # "3.1 MB", empty where it is not known
    target: str
    place: Span  # the expression of the target

    def title(self) -> str:
        return f"`{self.path}` is on this machine, the target is not"

    def marks(self) -> tuple[Mark, ...]:
        note = f"{self.size}, local file" if self.size else "local file"
        return (Mark(self.at, note), Mark(self.place, f"`--target {self.target}` runs here"))

    def why(self) -> str:
        return "workers of a Ray cluster cannot read this path"

    def fixes(self) -> tuple[Fix, ...]:
        return (Fix("publish it where the workers can read it, and name that: `hf:org/name`"),)
