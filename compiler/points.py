"""Values that go from point to point: what stands at a place between the points it is given at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeVar

T = TypeVar("T")


def around(points: Sequence[T], number: int, of: int) -> tuple[T, T, float]:
    """The points before and behind place `number` of `of`, and the share of the way from one to the other.

    The points are spread evenly from the first place to the last; a single place is the last one.
    """
    if of == 1:
        return points[-1], points[-1], 0.0
    before, rest = divmod(number * (len(points) - 1), of - 1)
    return points[before], points[min(before + 1, len(points) - 1)], rest / (of - 1)


def mixed(a: Any, b: Any, share: float) -> Any:
    """The value that far from `a` to `b`: numbers are mixed, of what is equal there is one."""
    if a == b or not share:
        return a
    if isinstance(a, Sequence) or isinstance(b, Sequence):
        pairs = zip(*_as_long(a, b), strict=True)
        return tuple(mixed(one, other, share) for one, other in pairs)
    return (1 - share) * a + share * b


def mixed_fields(a: Mapping[str, Any], b: Mapping[str, Any], share: float) -> dict[str, Any]:
    return {name: mixed(value, b[name], share) for name, value in a.items()}


def vary(points: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the fields of all points can be mixed: of the same names, and different in fractions alone."""
    return all(
        a.keys() == b.keys() and all(_mixes(value, b[name]) for name, value in a.items())
        for a, b in pairwise(points)
    )


def _mixes(a: Any, b: Any) -> bool:
    if a == b:
        return True
    if isinstance(a, tuple) or isinstance(b, tuple):
        one, other = _as_long(a, b)
        return len(one) == len(other) and all(map(_mixes, one, other))
    return isinstance(a, float) and isinstance(b, float)


def _as_long(a: Any, b: Any) -> tuple[Sequence[Any], Sequence[Any]]:
    """Two lists, or a list and the number that stands for all of one."""
    if not isinstance(a, Sequence):
        return (a,) * len(b), b
    return a, (b if isinstance(b, Sequence) else (b,) * len(a))
