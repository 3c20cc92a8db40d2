"""FUSE107: an unknown verb, method, function, type or target."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark, closest
from fusec.lang.source import Span
from fusec.lang.wording import certainty, listing, respell

REASONS = {
    "verb": "a word before `{` or after `|>` names work, and only verbs are work",
    "function": "a word before `(` in a row expression names a function that fusec knows",
    "method": "a method decides what is computed, so only known ones can be planned",
    "type": "a type decides what fits where, so only known ones can be checked",
    "word": "the slot lists its words, so that a misspelt one cannot pass",
    "target": "a target says what there is to run on, so only known kinds can be priced",
}


@dataclass(frozen=True)
class UnknownVerb(Diagnostic, code="FUSE107"):
    """A word stands where a verb, method, function or type is named, and fusec knows none of that name.

    Verbs stand before `{` or after `|>`, functions before `(`, and methods where a slot asks for one. The
    names of a file play no part there, so a declaration cannot stand in for a verb. The word is usually
    misspelt, or comes from another tool that calls the same thing otherwise.

    ```fuse fails
    edition 2026

    model base from "fixture:llama-a"
    model math from "fixture:llama-a-math"

    model merged = merge {
      base: base
      experts: [math]
      method: tiess(density: 0.5)
    }

    output merged to "./out/merged"
    ```

    ```fuse
    edition 2026

    model base from "fixture:llama-a"
    model math from "fixture:llama-a-math"

    model merged = merge {
      base: base
      experts: [math]
      method: ties(density: 0.5)
    }

    output merged to "./out/merged"
    ```
    """

    name: str
    at: Span
    known: tuple[str, ...]
    what: str = "verb"  # "verb", "method", "function", "type", "target" or "word"

    def title(self) -> str:
        if self.what == "word":
            return f"`{self.name}` is not one of the words this slot takes"
        return f"no {self.what} is called `{self.name}`"

    def marks(self) -> tuple[Mark, ...]:
        nearest = closest(self.name, self.known)
        return (Mark(self.at, f"closest: `{nearest}`" if nearest else ""),)

    def why(self) -> str:
        return REASONS.get(self.what, "")

    def fixes(self) -> tuple[Fix, ...]:
        nearest = closest(self.name, self.known)
        if nearest is None:
            return (Fix("use one of those below"),) if self.known else ()
        return (respell(self.at, self.name, nearest, certainty(self.name, nearest, self.known)),)

    def see(self) -> str:
        kinds = "words" if self.what == "word" else f"{self.what}s"
        return f"{kinds}: {listing(self.known, most=24)}" if self.known else ""
