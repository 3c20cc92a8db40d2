"""Boxes and arrows: a graph as a picture, from what is given at the top to what comes out at the bottom."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple

from fusec.cli.charts.layers import Edge, Point, layered
from fusec.cli.charts.svg import CHARACTER, Drawing, fitting, label, number, tag, tip

Kind = Literal["new", "stored", "source", "goal", "warn", "bad"]

HEIGHT, NARROW, WIDE, MARGIN = 50.0, 104.0, 264.0, 16.0
PAD, NAME, NOTE = 14.0, 12.0, 11.0
LEGEND_ROOM = 30.0
KINDS: dict[Kind, str] = {
    "new": "to compute",
    "stored": "stored already",
    "source": "source",
    "goal": "output or check",
}


class Box(NamedTuple):
    """Stands for `members` that are alike; `about` says all there is to say while the pointer rests on it."""

    key: str
    name: str
    note: str
    kind: Kind
    members: int = 1
    about: str = ""


def dag(
    boxes: Sequence[Box], edges: Sequence[Edge], *, title: str, desc: str, path: Collection[Edge] = ()
) -> Drawing:
    """Edges in `path` stand out; their meaning is in the legend."""
    widths = {box.key: _width(box) for box in boxes}
    layout = layered(widths, edges, height=HEIGHT)
    legend = _legend({box.kind for box in boxes}, bool(path))
    width = max(layout.width, sum(room for room, _ in legend)) + 2 * MARGIN
    left, top = (width - layout.width) / 2, MARGIN + LEGEND_ROOM
    body = []
    at = MARGIN
    for room, drawn in legend:
        body.append(tag("g", *drawn, transform=f"translate({number(at)} {number(MARGIN)})"))
        at += room
    # Edges that stand out lie above the others.
    for edge in sorted(edges, key=lambda edge: edge in path):
        points = [(x + left, y + top) for x, y in layout.routes[edge]]
        body.append(tag("path", d=_curved(points), class_="edge path" if edge in path else "edge"))
    for box in boxes:
        x, y = layout.at[box.key]
        body.append(_box(box, x + left, y + top, widths[box.key]))
    return Drawing(width, layout.height + top + MARGIN, title, desc, body)


def _width(box: Box) -> float:
    text = max(
        len(box.name) + (len(f" ×{box.members}") if box.members > 1 else 0), len(box.note) * NOTE / NAME
    )
    return min(max(text * NAME * CHARACTER + 2 * PAD, NARROW), WIDE)


def _times(box: Box) -> str:
    return f" ×{box.members}" if box.members > 1 else ""


def _box(box: Box, x: float, y: float, width: float) -> str:
    parts = [tip(box.about)] if box.about else []
    if box.members > 1:  # a second card behind the first
        parts.append(_card(x + 4, y - 4, width, box.kind))
    parts.append(_card(x, y, width, box.kind))
    times = _times(box)
    room = width - 2 * PAD - len(times) * NAME * CHARACTER
    parts.append(label(x + PAD, y + 21, fitting(box.name, room, NAME) + times, class_="name"))
    parts.append(label(x + PAD, y + 38, fitting(box.note, width - 2 * PAD, NOTE), class_="mono"))
    return tag("g", *parts)


def _card(x: float, y: float, width: float, kind: Kind) -> str:
    radius = HEIGHT / 2 if kind == "goal" else 8
    return tag("rect", x=x, y=y, width=width, height=HEIGHT, rx=radius, class_=f"box {kind}")


def _curved(points: Sequence[Point]) -> str:
    """A path that leaves and enters straight down; pairs of points after the first bend between."""
    (x, y), *rest = points
    path = f"M{number(x)} {number(y)}"
    for at, (to_x, to_y) in enumerate(rest):
        if at % 2:
            path += f"L{number(to_x)} {number(to_y)}"
        else:
            middle = number((y + to_y) / 2)
            path += f"C{number(x)} {middle} {number(to_x)} {middle} {number(to_x)} {number(to_y)}"
        x, y = to_x, to_y
    return path


def _legend(kinds: Collection[Kind], path: bool) -> list[tuple[float, list[str]]]:
    """What the looks of boxes and edges mean: the room each entry takes, and its parts."""
    found = []
    for kind, said in KINDS.items():
        if kind in kinds:
            corner = 5.5 if kind == "goal" else 3
            swatch = tag("rect", x=0, y=1, width=16, height=11, rx=corner, class_=f"box {kind}")
            found.append((40 + len(said) * 6.2, [swatch, label(22, 11, said)]))
    if path:
        found.append((120, [tag("path", d="M0 7H16", class_="edge path"), label(22, 11, "critical path")]))
    return found
