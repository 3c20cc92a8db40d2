"""FUSE204: a column that is missing."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Edit, Fix, Mark, closest
from fusec.lang.source import Span
from fusec.lang.wording import code, listing, respell


@dataclass(frozen=True)
class ColumnMissing(Diagnostic, code="FUSE204"):
    """A step needs a column that its data does not have.

    Columns are known from the schema of the source and followed through every step, without reading a row.
    The usual cause is a `select` further up: it keeps the columns it names and no others. Keep the column
    there, or do the work that needs it first; the order costs nothing, since the optimizer reads only
    what is used.

    ```fuse fails
    edition 2026

    data good from "fixture:pairs"
      |> select { prompt: .prompt, response: .response }
      |> filter { keep: .quality >= 0.7 }

    output good to "./out/good"
    ```

    ```fuse
    edition 2026

    data good from "fixture:pairs"
      |> filter { keep: .quality >= 0.7 }
      |> select { prompt: .prompt, response: .response }

    output good to "./out/good"
    ```
    """

    needs: str  # who needs it: a verb, or the name of what is being made
    column: str
    at: Span
    has: tuple[str, ...]
    why_needed: str
    dropped_at: Span | None = None  # the verb of the `select` that left it out

    def title(self) -> str:
        return f"{code(self.needs)} needs the column `{self.column}`"

    def marks(self) -> tuple[Mark, ...]:
        here = Mark(self.at, f"has {listing(self.has)}" if self.has else "has no columns")
        if self.dropped_at is None:
            return (here,)
        return here, Mark(self.dropped_at, f"`{self.column}` was dropped here")

    def why(self) -> str:
        return self.why_needed

    def fixes(self) -> tuple[Fix, ...]:
        column = self.column
        if self.dropped_at is not None:
            return (_kept(self.dropped_at, f"{column}: .{column}"),)
        nearest = closest(column, self.has)
        if nearest is not None:
            return (respell(self.at, f".{column}", f".{nearest}"),)
        return (Fix(f"make it before this step: `derive {{ {column}: … }}`"),)


def _kept(verb: Span, slot: str) -> Fix:
    """The step with one slot more behind the others, written out where it stands on one line."""
    source = verb.source
    block = re.compile(r"\s*\{([^{}]*?)(,?\s*)\}").match(source.text, verb.end)
    if block is None:  # slots with braces of their own
        return Fix(f"keep it: add `{slot}` to this `{verb.text}`")
    comma = "," if block[1].strip() else ""
    if "\n" in block[0]:
        indent = re.compile(r"\n( *)\S[^\n]*$").search(block[1])
        put, say = f"\n{indent[1] if indent else '  '}{slot}", f"keep it: add `{slot}` to this `{verb.text}`"
    else:
        put = f"{comma} {slot}"
        say = f"keep it: `{verb.text} {{{block[1].rstrip()}{put} }}`"
    return Fix(say, (Edit(source.span(block.end(1), block.end(1)), put),), "maybe")
