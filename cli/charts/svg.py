"""SVG as text: what people wrote is escaped, and a number looks the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from fusec.cli.charts.theme import CHARTS, THEME

CHARACTER = 0.61
"""The width of a character of a monospaced font, of its size, rounded up."""


class Drawing(NamedTuple):
    """A picture in pixels; `title` names it and `desc` says in words what it shows, for who cannot see it."""

    width: float
    height: float
    title: str
    desc: str
    body: Sequence[str]


def number(value: float) -> str:
    """One digit behind the point, none where it is zero."""
    text = f"{value:.1f}"
    return "0" if text == "-0.0" else text.removesuffix(".0")


def tag(name: str, *inner: str, **attributes: str | float) -> str:
    """An element; `inner` is SVG already, `_` in attributes stands for `-` and a last one is dropped."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_value(value), quote=True)}"'
        for key, value in attributes.items()
    )
    return f"<{name}{written}>{''.join(inner)}</{name}>" if inner else f"<{name}{written}/>"


def label(x: float, y: float, text: str, **attributes: str | float) -> str:
    """A line of text; `y` is its baseline."""
    return tag("text", escape(text), x=x, y=y, **attributes)


def tip(text: str) -> str:
    """What shows while the pointer rests on the element around it."""
    return tag("title", escape(text))


def fitting(text: str, width: float, size: float) -> str:
    """As much of a text as fits `width` pixels in a monospaced font of `size`, with an ellipsis behind."""
    most = max(int(width / (size * CHARACTER) + 0.01), 2)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def beside(drawings: Sequence[Drawing], *, title: str, desc: str) -> Drawing:
    """Drawings of one size as one, two in a line."""
    width, height = drawings[0].width, drawings[0].height
    body = [
        tag("g", *one.body, transform=f"translate({number(at % 2 * width)} {number(at // 2 * height)})")
        for at, one in enumerate(drawings)
    ]
    lines = -(-len(drawings) // 2)
    return Drawing(width * min(len(drawings), 2), height * lines, title, desc, body)


def inline(drawing: Drawing, id: str) -> str:
    """For a page that has the style of charts already; `id` is used once in it."""
    return _svg(drawing, id, "", role="img", class_="chart")


def standalone(drawing: Drawing) -> str:
    """A file of its own, light or dark as its reader prefers."""
    style = tag("style", f"{THEME}{CHARTS}svg{{background:var(--card)}}")
    svg = _svg(drawing, "chart", style, xmlns="http://www.w3.org/2000/svg", role="img", class_="chart")
    return f"{svg}\n"


def _svg(drawing: Drawing, id: str, head: str, **attributes: str | float) -> str:
    return tag(
        "svg",
        head,
        tag("title", escape(drawing.title), id=f"{id}-title"),
        tag("desc", escape(drawing.desc), id=f"{id}-desc"),
        "\n",
        "\n".join(drawing.body),
        **attributes,
        width=drawing.width,
        height=drawing.height,
        viewBox=f"0 0 {number(drawing.width)} {number(drawing.height)}",
        aria_labelledby=f"{id}-title {id}-desc",
    )


def _value(value: str | float) -> str:
    return value if isinstance(value, str) else number(value)
