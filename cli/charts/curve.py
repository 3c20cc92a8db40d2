"""Curves over one amount: lines with dots, a band where a value is known in part, and where one stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from fusec.cli.charts.scale import Scale, ticks
from fusec.cli.charts.svg import Drawing, fitting, label, number, tag, tip

WIDTH, HEIGHT = 620.0, 270.0
LEFT, RIGHT, TOP, BOTTOM = 66.0, 24.0, 34.0, 46.0

Text = Callable[[float], str]


class Dot(NamedTuple):
    """`low` and `high` are the same as `y` where it is known well; `about` shows at the pointer."""

    x: float
    y: float
    low: float
    high: float
    about: str


class Axis(NamedTuple):
    """What an axis measures and how its amounts are written; `named` gives it texts instead of amounts."""

    title: str
    text: Text
    time: bool = False
    named: Sequence[str] = ()


def curve(
    dots: Sequence[Dot],
    across: Axis,
    up: Axis,
    *,
    title: str,
    desc: str,
    here: Dot | None = None,
    here_text: str = "",
    width: float = WIDTH,
    height: float = HEIGHT,
) -> Drawing:
    """One curve, dots in order of `x`; with `across.named` an `x` is the number of a name."""
    every = [*dots, here] if here is not None else dots
    x_most = float(len(across.named) - 1) if across.named else max(dot.x for dot in every)
    y_most = max(dot.high for dot in every) * 1.06 or 1.0
    x, y = Scale(x_most, LEFT, width - RIGHT), Scale(y_most, height - BOTTOM, TOP)
    body = [*_up(up, y, width), *_across(across, x, x_most, height)]
    if any(dot.low < dot.high for dot in dots):
        upper = [f"{number(x(dot.x))},{number(y(dot.high))}" for dot in dots]
        lower = [f"{number(x(dot.x))},{number(y(dot.low))}" for dot in reversed(dots)]
        body.append(tag("polygon", points=" ".join((*upper, *lower)), class_="band"))
    line = " ".join(f"{number(x(dot.x))},{number(y(dot.y))}" for dot in dots)
    body.append(tag("polyline", points=line, class_="curve"))
    body += [tag("circle", tip(d.about), cx=x(d.x), cy=y(d.y), r=3, class_="dot") for d in dots]
    if here is not None:
        at, floor = number(x(here.x)), number(height - BOTTOM)
        body.append(tag("path", d=f"M{at} {number(TOP)}V{floor}", class_="here"))
        body.append(tag("circle", tip(here.about), cx=x(here.x), cy=y(here.y), r=5.5, class_="mark"))
        left = here.x > x_most / 2
        where = x(here.x) + (-8 if left else 8)
        body.append(label(where, TOP + 10, here_text, class_="strong end" if left else "strong"))
    return Drawing(width, height, title, desc, body)


def _up(axis: Axis, y: Scale, width: float) -> list[str]:
    body = [label(LEFT, TOP - 16, axis.title, class_="strong")]
    for tick in ticks(y.most, time=axis.time):
        at = y(tick)
        body.append(tag("path", d=f"M{number(LEFT)} {number(at)}H{number(width - RIGHT)}", class_="grid"))
        body.append(label(LEFT - 8, at + 4, axis.text(tick) if tick else "0", class_="end"))
    return body


def _across(axis: Axis, x: Scale, most: float, height: float) -> list[str]:
    floor = height - BOTTOM
    named = [(float(at), name) for at, name in enumerate(axis.named)]
    marks = named or [(tick, axis.text(tick) if tick else "0") for tick in ticks(most, time=axis.time)]
    every = -(-len(marks) // 10)
    room = (x.stop - x.start) / max(len(marks) // every, 1)
    body = [tag("path", d=f"M{number(x.start)} {number(floor)}H{number(x.stop)}", class_="axis")]
    for tick, text in marks[::every]:
        body.append(label(x(tick), floor + 17, fitting(text, room, 11), class_="middle"))
    return [*body, label(x.stop, floor + 35, axis.title, class_="strong end")]
