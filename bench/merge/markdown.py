"""Tables as Markdown, and numbers as people read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

Cell = str | int | float | None


@dataclass
class Table:
    """A table of the report; `key` names it on the command line, `note` says how it was measured."""

    key: str
    title: str
    note: str
    columns: Sequence[str]
    rows: list[list[Cell]] = field(default_factory=list)

    def markdown(self) -> str:
        head = f"| {' | '.join(self.columns)} |"
        line = "|" + "|".join("---" if i == 0 else "---:" for i in range(len(self.columns))) + "|"
        body = [f"| {' | '.join(map(shown, row))} |" for row in self.rows]
        return "\n".join([f"### {self.key}. {self.title}", "", self.note, "", head, line, *body, ""])


def shown(cell: Cell) -> str:
    """A cell: three digits that count, dashes for what there is not."""
    if cell is None:
        return "-"
    if isinstance(cell, float):
        if cell and abs(cell) < 0.01:
            return f"{cell:.2e}"
        return f"{cell:.3f}" if abs(cell) < 1 else f"{cell:.2f}" if abs(cell) < 10 else f"{cell:.1f}"
    return str(cell)


def megabytes(count: float) -> float:
    return count / 1e6
