"""Bars in the cells of tables: what is likely, and how far it may be less or more."""

from __future__ import annotations

from fusec.cli.charts.scale import Scale
from fusec.cli.charts.svg import number, tag

WIDTH, HEIGHT, THICK = 120.0, 16.0, 8.0


def range_bar(low: float, likely: float, high: float, most: float, *, kind: str = "new") -> str:
    """An SVG of one bar on a scale to `most`, with a whisker from low to high where they differ.

    It repeats what the cell says in figures, so who cannot see it is not told of it.
    """
    x = Scale(most, 1, WIDTH - 1)
    middle, top = HEIGHT / 2, (HEIGHT - THICK) / 2
    parts = [tag("rect", x=1, y=top, width=WIDTH - 2, height=THICK, rx=2, class_="lane")]
    if likely > 0:
        wide = max(x(likely) - 1, 1.5)
        parts.append(tag("rect", x=1, y=top, width=wide, height=THICK, rx=2, class_=f"{kind} solid"))
    if low < high:
        a, b = number(x(low)), number(x(high))
        up, down = number(middle - 3), number(middle + 3)
        ends = f"M{a} {up}V{down}M{b} {up}V{down}"
        parts.append(tag("path", d=f"M{a} {number(middle)}H{b}{ends}", class_="whisker"))
    return _cell(parts)


def meter(used: float, limit: float, *, kind: str) -> str:
    """An SVG of how much of a limit is used; what goes beyond it goes beyond the mark."""
    most = max(used, limit) or 1.0
    x = Scale(most, 1, WIDTH - 1)
    top = (HEIGHT - THICK) / 2
    parts = [
        tag("rect", x=1, y=top, width=WIDTH - 2, height=THICK, rx=2, class_="lane"),
        tag("rect", x=1, y=top, width=max(x(used) - 1, 0), height=THICK, rx=2, class_=f"{kind} solid"),
        tag("path", d=f"M{number(x(limit))} 1V{number(HEIGHT - 1)}", class_="whisker"),
    ]
    return _cell(parts)


def _cell(parts: list[str]) -> str:
    return tag(
        "svg",
        *parts,
        class_="chart cell",
        width=WIDTH,
        height=HEIGHT,
        viewBox=f"0 0 {number(WIDTH)} {number(HEIGHT)}",
        aria_hidden="true",
    )
