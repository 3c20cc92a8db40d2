"""FUSE213: a model whose layers cannot be told apart."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span


@dataclass(frozen=True)
class NoLayers(Diagnostic, code="FUSE213"):
    """Layers are taken from a model that does not have one list of layers.

    What belongs to which layer is read from the names of the tensors: `model.layers.3.mlp.up_proj.weight` is
    part of layer 3. A model that numbers the parts of an encoder and of a decoder, or of a vision tower
    beside its text model, has several lists, and nothing says which one is meant. The tensors of a model
    that a step of a package makes are unknown before it has run.

    ```fuse fails
    edition 2026

    model base from "fixture:llama-a"
    model towers from "fixture:two-towers"

    model deeper = stack {
      layers: [slice(towers, start: 0, stop: 2), slice(towers, start: 1, stop: 2)]
    }

    output deeper to "./out/deeper"
    ```

    ```fuse
    edition 2026

    model base from "fixture:llama-a"

    model deeper = stack {
      layers: [slice(base, start: 0, stop: 2), slice(base, start: 1, stop: 2)]
    }

    output deeper to "./out/deeper"
    ```
    """

    name: str
    at: Span
    found: str  # "its tensors are numbered in `decoder.layers`, `encoder.layers`"; "" where they are unknown
    declared: Span | None

    def title(self) -> str:
        return f"the layers of `{self.name}` are not known"

    def marks(self) -> tuple[Mark, ...]:
        mark = Mark(self.at, self.found or "its tensors are known only when it is made")
        return (mark,) if self.declared is None else (mark, Mark(self.declared, "declared here"))

    def why(self) -> str:
        return "layers are counted in one list, such as `model.layers.0` to `model.layers.31`"

    def fixes(self) -> tuple[Fix, ...]:
        if self.found:
            return (Fix("take layers from a language model without other towers"),)
        return (Fix(f"run and publish `{self.name}` first, and declare its folder as the source"),)
