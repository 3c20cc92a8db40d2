"""FUSE502: a store that the target cannot reach."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span


@dataclass(frozen=True)
class NotReachable(Diagnostic, code="FUSE502"):
    """The store of a cluster is named by a path that only this machine understands.

    Every machine of a cluster reads inputs from the store and writes results to it. A relative path starts at
    another folder on each of them. Name a place that all of them see under one name: a folder of a shared
    file system by its whole path, or a bucket.

    ```fuse fails
    edition 2026

    data text from "fixture:text"
    report profile = describe { data: text }

    target cluster = ray(address: "ray://head:10001", nodes: [node(cpus: 64)], store: "./store")

    output profile to "./out/profile.json"
    ```

    ```fuse
    edition 2026

    data text from "fixture:text"
    report profile = describe { data: text }

    target cluster = ray(address: "ray://head:10001", nodes: [node(cpus: 64)], store: "/mnt/store")

    output profile to "./out/profile.json"
    ```
    """

    at: Span
    store: str
    target: str

    def title(self) -> str:
        return f"the machines of `{self.target}` cannot find the store `{self.store}`"

    def marks(self) -> tuple[Mark, ...]:
        return (Mark(self.at, "another folder on each machine"),)

    def why(self) -> str:
        return "a relative path starts where a process happens to run"

    def fixes(self) -> tuple[Fix, ...]:
        return (
            Fix("name a folder that all machines share, such as `/mnt/store`, or a bucket: `s3://store`"),
        )
