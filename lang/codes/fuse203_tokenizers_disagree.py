"""FUSE203: two models whose tokenizers disagree."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span


@dataclass(frozen=True)
class TokenizersDisagree(Diagnostic, code="FUSE203"):
    """Two models of one weight space number their tokens differently.

    Row 1234 of an embedding is the meaning of token 1234. If the two tokenizers give that number to
    different tokens, merging the rows mixes two unrelated meanings, although every shape fits. Tokenizers
    that differ only by tokens added at the end, as chat markers often are, can be brought together by
    moving the expert onto the tokenizer of the base first.

    ```fuse fails
    edition 2026

    model base from "fixture:llama-a"
    model chat from "fixture:llama-a-moretokens"

    model merged = merge {
      base: base
      experts: [chat]
      method: average
    }

    output merged to "./out/merged"
    ```

    ```fuse
    edition 2026

    model base from "fixture:llama-a"
    model code from "fixture:llama-a-code"

    model merged = merge {
      base: base
      experts: [code]
      method: average
    }

    output merged to "./out/merged"
    ```
    """

    other: str
    other_at: Span
    other_is: str
    base: str
    base_at: Span
    base_is: str
    adds: int | None = None  # tokens that only `other` has, when that is the whole difference

    def title(self) -> str:
        return f"`{self.other}` and `{self.base}` number their tokens differently"

    def marks(self) -> tuple[Mark, ...]:
        return Mark(self.other_at, self.other_is), Mark(self.base_at, self.base_is)

    def why(self) -> str:
        return "embedding rows are merged by number, so one number must mean one token"

    def fixes(self) -> tuple[Fix, ...]:
        if self.adds is None:
            return (Fix(f"use an expert that kept the tokenizer of `{self.base}`"),)
        tokens = "one token" if self.adds == 1 else f"{self.adds} tokens"
        return (
            Fix(
                f"`{self.other}` only adds {tokens}: "
                f"use an expert trained without them, with the tokenizer of `{self.base}`"
            ),
        )
