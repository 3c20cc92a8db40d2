"""FUSE203: two models whose tokenizers disagree."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span


@dataclass(frozen=True)
class TokenizersDisagree(Diagnostic, code="FUSE203"):
    """Two models of one weight space number their tokens differently.

    Row 1234 of an embedding is the meaning of token 1234. If the two tokenizers give that number to
    different tokens, merging the rows mixes two unrelated meanings, although every shape may fit. Models
    with different tokens, as those that learned chat markers have, are put on one tokenizer first:
    `transplant_tokenizer` moves the rows of a model to the numbers of another tokenizer, and
    `union_tokenizers` makes one that has the tokens of both.

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
    model chat from "fixture:llama-a-moretokens"

    tokenizer both = union_tokenizers { of: [base, chat] }
    model wider[m in ["base", "chat"]] = transplant_tokenizer {
      model: ["base": base, "chat": chat][m]
      tokenizer: both
      donors: [base, chat]
    }

    model merged = merge {
      base: wider.base
      experts: [wider.chat]
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
        both = f"`union_tokenizers {{ of: [{self.base}, {self.other}] }}`"
        one = Fix(f"put both on one tokenizer with `transplant_tokenizer`: {both}, or that of `{self.base}`")
        if self.adds is None:
            return (one, Fix(f"use an expert that kept the tokenizer of `{self.base}`"))
        tokens = "one token" if self.adds == 1 else f"{self.adds} tokens"
        without = f"transplant_tokenizer {{ model: {self.other}, tokenizer: {self.base} }}"
        return (Fix(f"`{self.other}` only adds {tokens}: `{without}` is `{self.other}` without them"), one)
