"""Units of quantities: what each measures, and exact conversion to the base every stage counts in.

| dimension | base value |
|---|---|
| Size | bytes, int |
| Rate | bytes per second, or tokens per second |
| Time | seconds, float |
| Compute | gpu-hours, float |
| Money, Price | units of the currency (per hour), float |
| Share | a fraction, float: 2% is 0.02 |
| Count | a number of things, int |
"""

from __future__ import annotations

import difflib
from fractions import Fraction
from math import inf, isinf
from typing import Literal, TypeAlias

import msgspec

Dimension: TypeAlias = Literal["Size", "Rate", "Time", "Compute", "Money", "Price", "Share", "Count"]


class Unit(msgspec.Struct, frozen=True):
    """`kind` keeps apart what does not convert within a dimension: USD and EUR, rows and tokens."""

    name: str
    dimension: Dimension
    factor: Fraction
    kind: str

    def base(self, value: int | float) -> int | float:
        """`value` of this unit in the base of its dimension; int for sizes and counts, rounded half even."""
        exact = Fraction(str(value)) * self.factor
        return round(exact) if self.dimension in ("Size", "Count") else float(exact)


def _units() -> dict[str, Unit]:
    decimal = {f"{p}B": Fraction(10) ** (3 * i) for i, p in enumerate(("", *"KMGTP"))}
    binary = {f"{p}iB": Fraction(2) ** (10 * i) for i, p in enumerate("KMGTP", start=1)}
    sizes = decimal | binary
    times = {"ms": Fraction(1, 1000)} | {
        name: Fraction(n) for name, n in (("s", 1), ("min", 60), ("h", 3600), ("d", 86400))
    }
    rows: list[tuple[str, Dimension, Fraction | int, str]] = [
        *((name, "Size", factor, "B") for name, factor in sizes.items()),
        *((f"{name}/s", "Rate", factor, "B/s") for name, factor in sizes.items()),
        ("tokens/s", "Rate", 1, "tokens/s"),
        *((name, "Time", factor, "s") for name, factor in times.items()),
        ("gpu-hours", "Compute", 1, "gpu-hours"),
        *((name, "Money", 1, name) for name in ("USD", "EUR")),
        *((f"{name}/h", "Price", 1, f"{name}/h") for name in ("USD", "EUR")),
        ("%", "Share", Fraction(1, 100), "%"),
        *((name, "Count", 1, name) for name in ("tokens", "rows", "params", "steps", "samples")),
    ]
    return {name: Unit(name, dimension, Fraction(factor), kind) for name, dimension, factor, kind in rows}


UNITS = _units()
DISTINCT: frozenset[Dimension] = frozenset(("Count", "Rate", "Money", "Price"))
"""Dimensions whose kinds do not convert: rows and tokens, USD and EUR."""

_MOST_DIGITS = 400
MULTIPLIERS = {"k": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}

_SPELLED_OUT = {
    "s": ("sec", "second"), "min": ("minute",), "h": ("hr", "hour"), "d": ("day",), "%": ("percent", "pct"),
    "B": ("byte",), "KB": ("kilobyte", "K"), "MB": ("megabyte", "M"), "GB": ("gigabyte", "G", "gig"),
    "TB": ("terabyte", "T"), "USD": ("dollar",), "EUR": ("euro",), "gpu-hours": ("gpuh", "gpu-h", "gpu-hour"),
    "tokens/s": ("tok/s", "tokens-per-second"), "tokens": ("tok", "token"),
}  # fmt: skip


def near_units(word: str) -> list[str]:
    """The units `word` may have been meant as, best first; at most three."""
    lower = word.lower()
    singular = lower.removesuffix("s")
    long = [name for name, words in _SPELLED_OUT.items() if {lower, singular} & {w.lower() for w in words}]
    same = [name for name in UNITS if name.lower() in (lower, singular) and len(name) > 1]
    near = difflib.get_close_matches(word, [name for name in UNITS if len(name) > 1], n=3, cutoff=0.7)
    return list(dict.fromkeys((*long, *same, *near)))[:3]


def parse_number(text: str) -> int | float:
    """The value of a number as written, `1_500`, `0.5`, `1e-6` or `50k`; an int wherever it is whole.

    Beyond the range of a float it is infinite.
    """
    digits = text.replace("_", "")
    factor = MULTIPLIERS.get(digits[-1], 1)
    if factor > 1:
        digits = digits[:-1]
    near = float(digits)
    if isinf(near):
        return inf
    if len(digits) > _MOST_DIGITS:  # an exact value would be long, and no more use
        return near * factor
    if digits.isdecimal():
        return int(digits) * factor
    if factor == 1:
        return near
    if near == 0:  # or too near to tell: 1e-999999999 as a fraction fills the memory
        return 0
    exact = Fraction(digits) * factor
    return int(exact) if exact.denominator == 1 else float(exact)


def quantity_text(value: int | float, dimension: Dimension, kind: str = "") -> str:
    """A base value for people: `24 GB`, `62%`, `1 min 5 s`, `12_000`.

    `kind` is the `Unit.kind` of a rate, money, price or count; a rate without one is of bytes, and
    the others print bare.
    """
    match dimension:
        case "Size":
            return _size(value)
        case "Rate":
            return f"{grouped(value)} {kind}" if kind == "tokens/s" else f"{_size(value)}/s"
        case "Time":
            return _time(value)
        case "Compute":
            return f"{grouped(value)} gpu-hours"
        case "Money" | "Price":
            return f"{_fixed(value, 2)} {kind}".rstrip()
        case "Share":
            return f"{grouped(value * 100)}%"
        case "Count":
            return f"{grouped(value)} {kind}".rstrip()


def grouped(value: int | float) -> str:
    """Four significant digits below 1000 and whole above; `_` between groups from 5 digits."""
    if isinstance(value, float):
        value = float(f"{value:.4g}") if abs(value) < 1000 else round(value)
        value = int(value) if value == int(value) else value
    text = f"{value:_}"
    return text.replace("_", "") if abs(value) < 10_000 else text


def _fixed(value: int | float, digits: int) -> str:
    text = f"{value:_.{digits}f}"
    return text if abs(value) >= 10_000 else text.replace("_", "")


def _size(value: int | float) -> str:
    names = ("B", "KB", "MB", "GB", "TB", "PB")
    step = 0
    scaled = Fraction(value)
    while step + 1 < len(names) and abs(round(scaled, 1 if step else 0)) >= 1000:
        scaled /= 1000
        step += 1
    text = f"{float(scaled):.1f}".removesuffix(".0") if step else str(round(scaled))
    return f"{text} {names[step]}"


def _time(seconds: int | float) -> str:
    if seconds < 1:
        return f"{grouped(float(f'{seconds * 1000:.3g}'))} ms"
    if seconds < 10 and seconds != round(seconds):
        return f"{seconds:.1f} s"
    whole = round(seconds)
    steps = (("d", "h", 86400, 3600), ("h", "min", 3600, 60), ("min", "s", 60, 1))
    for large, small, factor, divisor in steps:
        if whole >= factor:
            rounded = whole - whole % divisor
            rest = rounded % factor // divisor
            return f"{rounded // factor} {large}" + (f" {rest} {small}" if rest else "")
    return f"{whole} s"
