"""FUSE202: a model whose ancestor is unknown."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span


@dataclass(frozen=True)
class AncestorUnknown(Diagnostic, code="FUSE202", level="warning"):
    """Nothing records which checkpoint a model was trained from.

    Equal shapes do not make two models combinable: the expert must descend from the base. fusec knows the
    ancestor when the spec makes the model, or when the model card names its `base_model`. Here it knows
    neither, and a wrong guess would give a merged model that loads, runs and is quietly bad. The author
    often does know, and can say so in the type. It is the author's word: fusec records it and does not
    prove it.

    The configuration of an adapter names its base as the machine it was trained on knew it, often by a path.
    Where the spec has another name for it, `delta law: Delta[_, root: base] from "..."` says so.

    ```fuse fails
    edition 2026

    model base from "fixture:llama-a"
    model law from "fixture:llama-a-orphan"

    model merged = merge {
      base: base
      experts: [law]
      method: average
    }

    output merged to "./out/merged"
    ```

    ```fuse
    edition 2026

    model base from "fixture:llama-a"
    model law: Model[_, _, root: base] from "fixture:llama-a-orphan"

    model merged = merge {
      base: base
      experts: [law]
      method: average
    }

    output merged to "./out/merged"
    ```
    """

    other: str
    other_at: Span
    base: str
    base_at: Span
    annotation: str  # the declaration with its ancestor stated: "model law: Model[_, _, root: base] from …"
    names: str = ""  # the ancestor that its files name, in words that are not those of the spec

    def title(self) -> str:
        return f"it is unknown whether `{self.other}` descends from `{self.base}`"

    def marks(self) -> tuple[Mark, ...]:
        return (
            Mark(self.other_at, f"its files name {self.names or 'no ancestor'}"),
            Mark(self.base_at, "updates are taken against this one"),
        )

    def why(self) -> str:
        return "an expert of another ancestor has the right shapes and merges into noise"

    def fixes(self) -> tuple[Fix, ...]:
        return (Fix(f"if it was trained from `{self.base}`, say so: `{self.annotation}`"),)

    def see(self) -> str:
        return "fusec explain FUSE202"
