"""The values of `--sweep`: lists, ranges and what several sweeps come to together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import product

import click

from fusec.lang.units import UNITS, parse_number

Point = dict[str, str]
"""What is set at one point of a sweep, by the name of the parameter."""

_MOST = 10_000
_END = (
    r"(?P<{0}>[+-]?\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?(?:[kMT](?![A-Za-z]))?)"
    r"[ ]*(?P<{0}_unit>%|[A-Za-z][A-Za-z/-]*)?"
)
_RANGE = re.compile(rf"{_END.format('low')}\s*\.\.\s*{_END.format('high')}\s*(?P<how>[/*])\s*(?P<count>\d+)")


def points(sweeps: Iterable[str]) -> list[Point]:
    """Every combination of the values of some sweeps, the last one changing fastest.

    `reads=8GB,16GB` lists values; commas in brackets or quotes belong to a value. `reads=1%..100%/10` is ten
    values with even steps, both ends among them, and `lr=1e-5..1e-2*4` four with even ratios. An end
    without a unit has that of the other; between whole numbers values are whole. `click.BadParameter` for
    anything else.
    """
    named: dict[str, list[str]] = {}
    for sweep in sweeps:
        name, values = _parsed(sweep)
        if name in named:
            raise _wrong(f"`{name}` is swept twice")
        named[name] = values
    found = [dict(zip(named, values, strict=True)) for values in product(*named.values())]
    if len(found) > _MOST:
        raise _wrong(f"{len(found)} values are more than {_MOST}")
    return found


def _parsed(sweep: str) -> tuple[str, list[str]]:
    name, equals, text = (part.strip() for part in sweep.partition("="))
    parts = [part.strip() for part in _split(text)]
    if not equals or not name or not all(parts):
        raise _wrong(f"`{sweep}` is not `name=value,value` or `name=low..high/count`")
    return name, list(dict.fromkeys(value for part in parts for value in _values(part)))


def _split(text: str) -> list[str]:
    parts, depth, quoted = [""], 0, False
    for sign in text:
        quoted ^= sign == '"'
        if not quoted:
            depth += (sign in "([{") - (sign in ")]}")
        if sign == "," and depth == 0 and not quoted:
            parts.append("")
        else:
            parts[-1] += sign
    return parts


def _values(part: str) -> Iterator[str]:
    match = _RANGE.fullmatch(part)
    if match is None:
        if ".." in part and not part.startswith(('"', "[", "{", "(")):
            raise _wrong(f"`{part}` is not `low..high/count` or `low..high*count`")
        yield part
        return
    units = [match["low_unit"] or match["high_unit"] or "", match["high_unit"] or match["low_unit"] or ""]
    for unit in units:
        if unit and unit not in UNITS:
            raise _wrong(f"`{unit}` is not a unit")
    low, high = (parse_number(match[end]) for end in ("low", "high"))
    if units[0] != units[1]:
        one, other = (UNITS[unit] for unit in units)
        if (one.dimension, one.kind) != (other.dimension, other.kind):
            raise _wrong(f"`{part}` goes from {units[0]} to {units[1]}")
        low = float(low * one.factor / other.factor)
    count, even = int(match["count"]), match["how"] == "/"
    if not 2 <= count <= _MOST:
        raise _wrong(f"`{part}` is a range of 2 to {_MOST} values")
    if not even and not (low > 0 and high > 0):
        raise _wrong(f"`{part}` has even ratios between numbers above 0 only")
    unit = units[1]
    whole = isinstance(low, int) and isinstance(high, int) and unit != "%" and not _divides(unit)
    for at in range(count):
        share = at / (count - 1)
        value = low + (high - low) * share if even else low * (high / low) ** share
        # The ends are what was written, whatever rounding makes of them.
        value = {0: low, count - 1: high}.get(at, value)
        text = str(round(value)) if whole or value == round(value) else format(value, ".6g")
        yield f"{text}{unit}"


def _divides(unit: str) -> bool:
    """Whether part of a unit makes sense: half a GB does, half a row does not."""
    return bool(unit) and UNITS[unit].dimension != "Count"


def _wrong(what: str) -> click.BadParameter:
    return click.BadParameter(what, param_hint="--sweep")
