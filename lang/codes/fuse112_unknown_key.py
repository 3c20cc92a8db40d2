"""FUSE112: an unknown key of a family."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark, closest
from fusec.lang.source import Span
from fusec.lang.wording import listing, respell


@dataclass(frozen=True)
class UnknownKey(Diagnostic, code="FUSE112"):
    """A family or map is asked for a key that it does not have.

    The keys of a family are the strings of the list it was declared over, or the keys of that map. They are
    known while compiling, so a missing one is found here and not when the run gets to it. Keys are compared
    letter by letter, upper and lower case included.

    ```fuse fails
    edition 2026

    let domains = ["math", "code"]

    model base from "fixture:llama-a"
    model expert[d in domains] from "fixture:llama-a-{d}"

    model merged = merge {
      base: base
      experts: [expert["maths"], expert["code"]]
      method: average
    }

    output merged to "./out/merged"
    ```

    ```fuse
    edition 2026

    let domains = ["math", "code"]

    model base from "fixture:llama-a"
    model expert[d in domains] from "fixture:llama-a-{d}"

    model merged = merge {
      base: base
      experts: [expert["math"], expert["code"]]
      method: average
    }

    output merged to "./out/merged"
    ```
    """

    family: str
    key: str
    at: Span
    known: tuple[str, ...]
    declared: Span | None

    def title(self) -> str:
        return f"`{self.family}` has no key `{self.key}`"

    def marks(self) -> tuple[Mark, ...]:
        nearest = closest(self.key, self.known)
        here = Mark(self.at, f"closest: `{nearest}`" if nearest else "")
        keys = f"keys: {listing(self.known)}" if self.known else "has no keys at all"
        return (here,) if self.declared is None else (here, Mark(self.declared, keys))

    def fixes(self) -> tuple[Fix, ...]:
        nearest = closest(self.key, self.known)
        if nearest:
            return (respell(self.at, self.key, nearest),)
        return (Fix(f"use a key of `{self.family}`, or add `{self.key}` to what it is declared over"),)

    def see(self) -> str:
        return f"keys of {self.family}: {listing(self.known)}" if self.declared is None and self.known else ""
