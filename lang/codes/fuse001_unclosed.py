"""FUSE001: a bracket or a string without its end."""

from __future__ import annotations

from dataclasses import dataclass

from fusec.lang.diagnostics import Diagnostic, Edit, Fix, Mark
from fusec.lang.source import Span


@dataclass(frozen=True)
class Unclosed(Diagnostic, code="FUSE001"):
    """A bracket or a string is opened and never closed.

    Every `(`, `[` and `{` needs its partner, and a string ends with the quote it began with, on the
    same line unless it is written with three quotes. The place marked `^` is where it was opened. The
    compiler goes on as if the missing mark stood where the fix puts it, so other messages still count.

    ```fuse fails
    edition 2026

    model base from "fixture:llama-a"
    model expert from "fixture:llama-a-math"

    model both = merge {
      base: base
      experts: [expert
      method: average
    }

    output both to "./models/both"
    ```

    The list ends at the end of its line:

    ```fuse
    edition 2026

    model base from "fixture:llama-a"
    model expert from "fixture:llama-a-math"

    model both = merge {
      base: base
      experts: [expert]
      method: average
    }

    output both to "./models/both"
    ```
    """

    opener: Span
    next: Span | None
    """What stands where the end was expected; None at the end of a declaration."""
    next_is: str
    end: int
    """Where the missing mark belongs."""
    closer: str

    def title(self) -> str:
        if self.opener.text[0] in "\"'":
            return "this string is never closed"
        return f"this `{self.opener.text}` is never closed"

    def marks(self) -> tuple[Mark, ...]:
        here = Mark(self.opener)
        return (here,) if self.next is None else (here, Mark(self.next, self.next_is))

    def fixes(self) -> tuple[Fix, ...]:
        source = self.opener.source
        line, column = source.position(self.end)
        rest = source.line(line)[column - 1 :]
        if self.closer.startswith("\n"):
            where = f"on a line of its own after line {line}"
        elif rest.strip():
            where = f"on line {line}, column {column}"
        else:
            where = f"at the end of line {line}"
        edit = Edit(Span(source, self.end, self.end), self.closer)
        return (Fix(f"add `{self.closer.strip()}` {where}", (edit,), "safe"),)
