"""Draws the tables of a benchmark run as SVG, readable on light and dark pages.

    python -m bench.merge.plots [DIR] [--to docs/img]

DIR is what `python -m bench.merge --out` wrote. A plot whose table is missing or empty is left out.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

Points = Sequence[tuple[float, float]]

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 64, 150, 40, 48
# Of medium lightness, so that they stand out on white and on black; told apart by the colour-blind too.
COLOURS = ("#0284c7", "#d97706", "#059669", "#c026d3", "#dc2626", "#64748b")
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#334155}.title{font-size:14px;font-weight:600}"
    ".grid{stroke:#94a3b8;stroke-opacity:.35}.axis{stroke:#64748b}"
    "@media(prefers-color-scheme:dark){text{fill:#cbd5e1}}"
)


@dataclass(frozen=True)
class Scale:
    """Maps values to pixels; logarithmic between powers of ten, or linear from zero."""

    low: float
    high: float
    start: float
    stop: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        low, high, value = (map(math.log10, (self.low, self.high, max(value, self.low)))
                            if self.logarithmic else (self.low, self.high, value))  # fmt: skip
        return self.start + (value - low) / (high - low) * (self.stop - self.start)

    def ticks(self) -> list[float]:
        if self.logarithmic:
            return [10.0**e for e in range(round(math.log10(self.low)), round(math.log10(self.high)) + 1)]
        step = 10 ** math.floor(math.log10(self.high / 2))
        step *= next(m for m in (1, 2, 5, 10) if self.high / (m * step) <= 6)
        return [i * step for i in range(int(self.high / step + 1e-9) + 1)]


def vertical(values: Sequence[float], *, logarithmic: bool) -> Scale:
    """The scale of the vertical axis for these values."""
    if not logarithmic:
        return Scale(0, max(values) * 1.05, HEIGHT - BOTTOM, TOP)
    positive = [value for value in values if value > 0]
    # A value that is a power of ten up to rounding does not open another decade.
    low, high = math.floor(math.log10(min(positive)) + 1e-3), math.ceil(math.log10(max(positive)) - 1e-3)
    return Scale(10.0**low, 10.0 ** max(high, low + 1), HEIGHT - BOTTOM, TOP, logarithmic=True)


def lines(
    title: str,
    across: str,
    up: str,
    series: Mapping[str, Points],
    *,
    logarithmic: bool = False,
    even: bool = False,
) -> str:
    """A plot of one line per series; values that are not above zero are left out of a logarithmic one.

    `even` puts the same distance between neighbouring horizontal values.
    """
    if logarithmic:
        series = {name: [p for p in points if p[1] > 0] for name, points in series.items()}
    xs = sorted({x for points in series.values() for x, _ in points})
    along = Scale(0, len(xs) - 1 if even else max(xs), LEFT, WIDTH - RIGHT - 8)

    def x(value: float) -> float:
        return along(xs.index(value) if even else value)

    y = vertical([v for points in series.values() for _, v in points], logarithmic=logarithmic)
    body = _frame(title, up, y) + [_text(x(v), HEIGHT - BOTTOM + 18, _short(v), "middle") for v in xs]
    body.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, across, "middle"))
    for i, points in enumerate(series.values()):
        colour = COLOURS[i % len(COLOURS)]
        path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in points)
        body.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        body += [f'<circle cx="{x(a):.1f}" cy="{y(b):.1f}" r="3" fill="{colour}"/>' for a, b in points]
    return _svg(title, body + _legend(list(series)))


def bars(title: str, up: str, groups: Mapping[str, Mapping[str, float]], *, logarithmic: bool = True) -> str:
    """Groups of bars that stand side by side, one bar per series in each."""
    names = list(dict.fromkeys(name for group in groups.values() for name in group))
    y = vertical([v for group in groups.values() for v in group.values()], logarithmic=logarithmic)
    body = _frame(title, up, y)
    room = (WIDTH - LEFT - RIGHT) / len(groups)
    width = room * 0.8 / len(names)
    floor = HEIGHT - BOTTOM
    for g, (label, group) in enumerate(groups.items()):
        start = LEFT + g * room + room * 0.1
        for name, value in group.items():
            i = names.index(name)
            body.append(
                f'<rect x="{start + i * width:.1f}" y="{y(value):.1f}" width="{width:.1f}" '
                f'height="{floor - y(value):.1f}" fill="{COLOURS[i % len(COLOURS)]}"/>'
            )
        at = start + room * 0.4
        turned = f'transform="rotate(-30 {at:.1f} {floor + 14})"'
        body.append(_text(at, floor + 14, label, "end", turned))
    return _svg(title, body + _legend(names))


def _frame(title: str, up: str, y: Scale) -> list[str]:
    right, floor = WIDTH - RIGHT, HEIGHT - BOTTOM
    body = [_text(LEFT, 20, title, "start", 'class="title"'), _text(LEFT, TOP - 6, up, "end")]
    for tick in y.ticks():
        at = f"{y(tick):.1f}"
        body.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{at}" y2="{at}"/>')
        body.append(_text(LEFT - 6, y(tick) + 4, _short(tick), "end"))
    return [*body, f'<line class="axis" x1="{LEFT}" x2="{right}" y1="{floor}" y2="{floor}"/>']


def _legend(names: Sequence[str]) -> list[str]:
    left, body = WIDTH - RIGHT + 12, []
    for i, name in enumerate(names):
        top, colour = TOP + 18 * i, COLOURS[i % len(COLOURS)]
        body.append(f'<rect x="{left}" y="{top}" width="10" height="10" fill="{colour}"/>')
        body.append(_text(left + 15, top + 9, name, "start"))
    return body


def _text(x: float, y: float, text: str, anchor: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{escape(text)}</text>'


def _short(value: float) -> str:
    return f"{value:g}"


def _svg(title: str, body: Sequence[str]) -> str:
    inner = "\n".join(body)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title, quote=True)}">\n<style>{STYLE}</style>\n{inner}\n</svg>\n'
    )


# --- the plots of the report ------------------------------------------------------------------


def _columns(table: Mapping[str, Any], across: str, names: Sequence[str]) -> dict[str, Points]:
    """Columns `names` against the column `across`; cells that are no number are left out."""
    columns, rows = table["columns"], table["rows"]
    x = columns.index(across)
    found = {
        name: [
            (_number(row[x]), row[columns.index(name)])
            for row in rows
            if _is_number(row[columns.index(name)])
        ]
        for name in names
    }
    return {name: points for name, points in found.items() if points}


def _is_number(cell: object) -> bool:
    return isinstance(cell, int | float)


def _number(cell: str | float) -> float:
    return float(str(cell).removesuffix("%"))


def bytes_read(table: Mapping[str, Any]) -> str | None:
    names = ("all experts", "fusec, all", "fusec, 10 %", "fusec, fixed")
    series = _columns(table, "K", names)
    return lines("Read from the device", "experts", "MB", series) if series else None


def cpu_seconds(table: Mapping[str, Any]) -> str | None:
    series: dict[str, list[tuple[float, float]]] = {}
    for label, count, _, cpu, *_ in table["rows"]:
        operator, _, name = label.partition(": ")
        if operator == "task_arithmetic" and _is_number(cpu):
            series.setdefault(name, []).append((count, cpu))
    return lines("task_arithmetic, cold cache", "experts", "CPU s", series) if series else None


def error_by_budget(table: Mapping[str, Any]) -> str | None:
    names = ("random", "gram", "norms", "sampled")
    series = _columns(table, "budget", names)
    if not series:
        return None
    title = "Error against the full merge, of the update"
    return lines(title, "budget, % of expert bytes", "error", series, logarithmic=True, even=True)


def operators(table: Mapping[str, Any]) -> str | None:
    groups = {}
    for name, _, theirs, _, _, first, _, second, *_ in table["rows"]:
        cells = {"mergekit": theirs, "fusec, first": first, "fusec, second": second}
        groups[name] = {label: cell for label, cell in cells.items() if _is_number(cell)}
    groups = {name: group for name, group in groups.items() if group}
    return bars("CPU seconds by operator, cold cache", "CPU s", groups) if groups else None


PLOTS: dict[str, tuple[str, Callable[[Mapping[str, Any]], str | None]]] = {
    "merge-bytes": ("T1", bytes_read),
    "merge-cpu": ("T2", cpu_seconds),
    "merge-error": ("T4", error_by_budget),
    "merge-operators": ("T5", operators),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?", default=Path("build/bench-merge"), metavar="DIR")
    parser.add_argument("--to", type=Path, default=Path("docs/img"), metavar="DIR")
    args = parser.parse_args()
    args.to.mkdir(parents=True, exist_ok=True)
    for name, (key, draw) in PLOTS.items():
        table = args.folder / f"{key}.json"
        drawn = draw(json.loads(table.read_text())) if table.exists() else None
        if drawn is not None:
            (args.to / f"{name}.svg").write_text(drawn)
            print(args.to / f"{name}.svg")


if __name__ == "__main__":
    main()
