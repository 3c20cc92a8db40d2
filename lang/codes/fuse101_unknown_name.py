"""FUSE101: a name that nothing declares."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Fix, Mark, closest
from fusec.lang.source import Span
from fusec.lang.wording import line_of, listing, respell


@dataclass(frozen=True)
class UnknownName(Diagnostic, code="FUSE101"):
    """A name is used that nothing declares.

    Names come from the declarations of the file, from its imports, from a family or comprehension variable,
    and, where a slot asks for one, from the standard words such as `ties`. The order of declarations does
    not matter, so a name is never unknown because it is declared further down. Nearly always it is
    misspelt, or was renamed in one place only.

    ```fuse fails
    edition 2026

    model base from "fixture:llama-a"
    model math from "fixture:llama-a-math"
    data pairs from "fixture:pairs"

    model generalist = merge {
      base: base
      experts: [math]
      method: average
    }

    report score = evaluate { model: generalst, data: pairs }

    output generalist to "./out/generalist"
    output score to "./out/score.json"
    ```

    ```fuse
    edition 2026

    model base from "fixture:llama-a"
    model math from "fixture:llama-a-math"
    data pairs from "fixture:pairs"

    model generalist = merge {
      base: base
      experts: [math]
      method: average
    }

    report score = evaluate { model: generalist, data: pairs }

    output generalist to "./out/generalist"
    output score to "./out/score.json"
    ```
    """

    name: str
    at: Span
    known: tuple[tuple[str, Span | None], ...]  # with the place of declaration; None for a standard word
    owner: str = ""  # the module that was asked: "law"

    def title(self) -> str:
        where = f"in `{self.owner}`" if self.owner else "here"
        return f"nothing {where} is called `{self.name}`"

    def marks(self) -> tuple[Mark, ...]:
        return (Mark(self.at, self._nearest_note()),)

    def fixes(self) -> tuple[Fix, ...]:
        nearest = self._nearest()
        if nearest is None:
            return (Fix(f"declare `{self.name}`, or use a name that is declared"),)
        return (respell(self.at, self.name, nearest),)

    def see(self) -> str:
        declared = [name for name, where in self.known if where is not None]
        return (
            f"names of {self.owner or 'this file'}: {listing(declared)}"
            if declared and self._nearest() is None
            else ""
        )

    def _nearest(self) -> str | None:
        return closest(self.name, (name for name, _ in self.known))

    def _nearest_note(self) -> str:
        nearest = self._nearest()
        if nearest is None:
            return ""
        where = dict(self.known)[nearest]
        return (
            f"closest: `{nearest}`"
            if where is None
            else f"`{nearest}` is declared on {line_of(where, self.at)}"
        )
