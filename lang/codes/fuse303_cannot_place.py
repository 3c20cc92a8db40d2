"""FUSE303: a step that no machine of the target can run."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span


@dataclass(frozen=True)
class CannotPlace(Diagnostic, code="FUSE303"):
    """No machine of the target has what a step asks for.

    `resources` says what a step needs at once: `gpus(8)`, `cpus(16)`, or GPUs for each of its parts. The GPUs
    of one part have to lie in one machine, because its workers exchange weights at every step; `spread: true`
    lets them lie in several. A cluster queues what it can never place for ever, so it is found out here.

    ```fuse fails
    edition 2026

    param seed = 17

    model base from "fixture:llama-a"
    data pairs from "fixture:pairs"

    model tuned = finetune {
      model: base
      data: pairs
      resources: gpus(12)
    }

    target cluster = ray(
      address: "ray://head:10001",
      nodes: [node(count: 2, gpus: h100(8))],
      store: "/mnt/store",
    )

    output tuned to "./out/tuned"
    ```

    ```fuse
    edition 2026

    param seed = 17

    model base from "fixture:llama-a"
    data pairs from "fixture:pairs"

    model tuned = finetune {
      model: base
      data: pairs
      resources: gpus(8)
    }

    target cluster = ray(
      address: "ray://head:10001",
      nodes: [node(count: 2, gpus: h100(8))],
      store: "/mnt/store",
    )

    output tuned to "./out/tuned"
    ```
    """

    step: str
    target: str
    at: Span
    asks: str  # "asks for 12 GPUs in one machine"
    has: tuple[tuple[Span, str], ...]  # (a part of the target, "a node has 8")
    ways: tuple[str, ...]  # "ask for `gpus(8)`"
    machine: str = "node"  # "machine" where the target is one

    def title(self) -> str:
        return f"no {self.machine} of `{self.target}` can ever run `{self.step}`"

    def marks(self) -> tuple[Mark, ...]:
        return (Mark(self.at, self.asks), *(Mark(span, note) for span, note in self.has))

    def why(self) -> str:
        if self.machine == "node":
            return "the cluster would queue this task for ever and say little about it"
        return "the task would wait for ever for what is not there"

    def fixes(self) -> tuple[Fix, ...]:
        return (Fix(", or ".join(self.ways)),)
