"""FUSE503: a type of number that the device does not compute in."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span


@dataclass(frozen=True)
class NotOnDevice(Diagnostic, code="FUSE503"):
    """A step computes in a type that no GPU of the target has.

    Training on a GPU runs in bf16. GPUs of the generations before Ampere, V100 and T4 among them, have only
    fp16, whose small range makes the same training overflow; they would emulate bf16, many times slower.

    ```fuse fails
    edition 2026

    param seed = 17

    model base from "fixture:llama-a"
    data pairs from "fixture:pairs"

    model tuned = finetune {
      model: base
      data: pairs
    }

    target old = local(gpus: v100(4))

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
    }

    target new = local(gpus: a100(4))

    output tuned to "./out/tuned"
    ```
    """

    step: str
    target: str
    at: Span
    dtype: str
    devices: tuple[tuple[Span, str], ...]  # (a part of the target, "v100")

    def title(self) -> str:
        return f"no GPU of `{self.target}` computes in {self.dtype}, as `{self.step}` does"

    def marks(self) -> tuple[Mark, ...]:
        has = (Mark(span, f"{name} has no {self.dtype}") for span, name in self.devices)
        return (Mark(self.at, f"trains in {self.dtype}"), *has)

    def why(self) -> str:
        return f"a GPU without {self.dtype} emulates it, many times slower"

    def fixes(self) -> tuple[Fix, ...]:
        return (Fix("use newer GPUs, or train on processors: `resources: cpus(8)`"),)
