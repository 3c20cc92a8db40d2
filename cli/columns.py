"""Plain text in columns."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterable, Sequence

_LEAST_WIDTH = 40


def columns(rows: Iterable[Sequence[str]], *, right: Collection[int] = (), indent: int = 2) -> str:
    """The rows as aligned lines, two spaces between columns; those in `right` end together."""
    table = [tuple(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = []
    for row in table:
        cells = (
            cell.rjust(width) if at in right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append((" " * indent + "  ".join(cells)).rstrip())
    return "\n".join(lines)


def shortened(text: str, most: int) -> str:
    """The text, or as much of it as fits `most` columns with `..` behind it."""
    return text if len(text) <= most else text[: max(most - 2, 0)] + ".."


def wrapped(line: str, width: int, *, indent: int = 2) -> str:
    """The line, indented, on as many as it takes to keep within `width`; later ones stand further in."""
    start = " " * (indent + len(line) - len(line.lstrip()))
    return textwrap.fill(
        line.lstrip(),
        max(width, _LEAST_WIDTH),
        initial_indent=start,
        subsequent_indent=start + "    ",
        break_on_hyphens=False,
        break_long_words=False,
    )
