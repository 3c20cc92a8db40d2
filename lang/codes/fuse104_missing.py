"""FUSE104: a required slot, argument or parameter is missing."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark
from fusec.lang.source import Span
from fusec.lang.wording import an, code


@dataclass(frozen=True)
class Missing(Diagnostic, code="FUSE104"):
    """A slot, argument or parameter without a default is left out.

    Where a good default exists, fusec has one. Where the choice changes what the result is, as the method
    of a merge does, the author makes it, in the spec, where the next reader finds it. A `param` without
    `= …` is required in the same way, and gets its value from `--set name=value`.

    ```fuse fails
    edition 2026

    model base from "fixture:llama-a"
    model math from "fixture:llama-a-math"

    model merged = merge {
      base: base
      experts: [math]
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
      method: average
    }

    output merged to "./out/merged"
    ```
    """

    owner: str
    name: str
    at: Span
    what: str = "slot"  # "slot", "argument" or "parameter"
    wants: str = ""  # the type it takes: "Size", or a phrase: "one of average, linear, ties"

    def title(self) -> str:
        if self.what == "parameter":
            return f"the parameter `{self.name}` has no value"
        return f"{code(self.owner)} needs the {self.what} `{self.name}`"

    def marks(self) -> tuple[Mark, ...]:
        return (Mark(self.at, f"`{self.name}` takes {an(self.wants)}" if self.wants else ""),)

    def why(self) -> str:
        return f"this {self.what} has no default"

    def fixes(self) -> tuple[Fix, ...]:
        if self.what == "parameter":
            return (
                Fix(f"set it with `--set {self.name}=…`, or give it a default: `{self._with_default()}`"),
            )
        if self.what == "argument":
            return (Fix(f"write `{self.owner}({self.name}: …)`"),)
        return (Fix(f"add the line `{self.name}: …` to the block of `{self.owner}`"),)

    def _with_default(self) -> str:
        kind = f": {self.wants}" if self.wants and " " not in self.wants else ""
        return f"param {self.name}{kind} = …"
