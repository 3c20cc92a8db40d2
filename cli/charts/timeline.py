"""What runs when: a lane for each step, a bar for each time it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from fusec.cli.charts.scale import Scale, ticks
from fusec.cli.charts.svg import CHARACTER, Drawing, fitting, label, number, tag, tip

WIDTH, LANE, THICK = 940.0, 24.0, 14.0
TOP, BOTTOM, RIGHT, MOST_NAME = 8.0, 30.0, 84.0, 230.0


class Bar(NamedTuple):
    """From `start` to `stop`, in seconds; those on the `path` decide when all is done."""

    start: float
    stop: float
    about: str
    path: bool


class Lane(NamedTuple):
    name: str
    said: str
    bars: Sequence[Bar]


def timeline(lanes: Sequence[Lane], text: Callable[[float], str], *, title: str, desc: str) -> Drawing:
    """Lanes from top to bottom; `said` stands behind the last bar of a lane, and `text` names seconds."""
    left = min(max((len(lane.name) for lane in lanes), default=0) * 12 * CHARACTER, MOST_NAME) + 20
    end = max((bar.stop for lane in lanes for bar in lane.bars), default=0.0)
    x = Scale(end, left, WIDTH - RIGHT)
    height = TOP + LANE * len(lanes) + BOTTOM
    floor = height - BOTTOM
    body = []
    for tick in ticks(end, number=8, time=True):
        body.append(tag("path", d=f"M{number(x(tick))} {number(TOP)}V{number(floor)}", class_="grid"))
        body.append(label(x(tick), floor + 18, text(tick) if tick else "0", class_="middle"))
    for at, lane in enumerate(lanes):
        top = TOP + LANE * at
        body.append(label(left - 12, top + 16, fitting(lane.name, left - 20, 12), class_="name end"))
        for bar in lane.bars:
            wide = max(x(bar.stop) - x(bar.start), 2)
            kind = "new solid" if bar.path else "slack"
            rect = tag("rect", tip(bar.about), x=x(bar.start), y=top + 5, width=wide, height=THICK, rx=3,
                       class_=kind)  # fmt: skip
            body.append(rect)
        after = max((x(bar.stop) for bar in lane.bars), default=left)
        body.append(label(max(after, left) + 8, top + 16, lane.said))
    return Drawing(WIDTH, height, title, desc, body)
