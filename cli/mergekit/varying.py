"""Parameters that differ between tensors, as `rules` of a merge.

For one tensor every parameter is one number, so the merge is translated anew for the tensors of each filter
and at each point of a gradient. What these translations say differently becomes a rule.
"""

from __future__ import annotations

import ast
import glob
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

from fusec.cli.mergekit.filters import in_order
from fusec.cli.mergekit.findings import Findings
from fusec.cli.mergekit.parameters import Lookup, Rule, Where
from fusec.cli.mergekit.references import Reference
from fusec.compiler.points import around, mixed_fields, vary
from fusec.compiler.step import methods_of
from fusec.lang.source import Span
from fusec.lang.strings import quote

MOST_POINTS = 128

Segments = Sequence[tuple[int, int]]
"""The first layer of each slice of the result and the one past its last; none for all layers as one."""


@dataclass(frozen=True)
class Made:
    """A merge for some tensors. Weights are None where the method takes none; `stays`: it is the base."""

    experts: tuple[tuple[Reference, float | None], ...]
    method: str
    stays: bool = False

    @property
    def weights(self) -> tuple[float | None, ...]:
        return tuple(weight for _, weight in self.experts)


@dataclass(frozen=True)
class Varied:
    """The merge of tensors that no filter names, patterns of those that stay the base's, and the rules."""

    own: Made
    keep: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()


Make = Callable[[Lookup], Made | None]


def spread(make: Make, lookup: Lookup, segments: Segments, at: Span, found: Findings) -> Varied | None:
    """All that `make` says of tensors; None, with messages, where that are no rules of fusec."""
    own = make(lookup)
    if own is None:
        return None
    filters = in_order([[rule.filter for rule in rules] for rules in lookup.lists])
    if filters is None:
        reason = "tensors with several of them in their name would have values of several entries"
        fix = "list the same filters in the same order for all parameters"
        found.lacks("the filters come in different orders", at, reason, fix)
        return None
    keep: list[str] = []
    rules: list[str] = []
    for filter_ in filters:
        path = _path(make, lookup, filter_, filters, found)
        if path is None:
            return None
        if not rules and all(made.stays for made in path):
            keep.append(_pattern(filter_))
        else:
            rules += _rules(filter_, path, own, segments)
    path = _path(make, lookup, "", filters, found)
    if path is None:
        return None
    if len(path) > 1:
        rules += _rules("", path, own, segments)
    while rules and _BARE.fullmatch(rules[-1]):
        rules.pop()
    return Varied(own, tuple(keep), tuple(rules))


_BARE = re.compile(r'tensors\("[^"]*"\)')


def _path(
    make: Make, lookup: Lookup, filter_: str, filters: tuple[str, ...], found: Findings
) -> tuple[Made, ...] | None:
    """What is made of the tensors of a filter over the layers: one for all, or evenly spread points."""

    def made_at(places: Sequence[Fraction]) -> tuple[Made, ...] | None:
        path = []
        for t in places:
            made = make(lookup.of(Where(filter_, t), filters))
            if made is None:
                return None
            path.append(made)
        return tuple(path)

    decide = [_deciding(rules, filter_) for rules in lookup.lists]
    graded = [rule for rule in decide if rule is not None and len(rule.points) > 1]
    steps = math.lcm(*(len(rule.points) - 1 for rule in graded))
    if steps >= MOST_POINTS:
        numbers = " and ".join(str(n) for n in sorted({len(rule.points) for rule in graded}))
        fix = "give them equally many points"
        reason = "their points have few places in common"
        found.lacks(f"gradients of {numbers} points go together", graded[0].at, reason, fix)
        return None
    path = made_at([Fraction(n, steps) for n in range(steps + 1)] if graded else [Fraction(0)])
    if path is None or not graded:
        return path
    # Between two points everything has to lie on the line from one to the other.
    between = made_at([Fraction(2 * n + 1, 2 * steps) for n in range(steps)])
    if between is None:
        return None
    odd = _not_a_line(path, between)
    if odd:
        reason = "a gradient of fusec is one method with numbers that change evenly between its points"
        fix = "write one value, or values by filter"
        found.lacks(f"{odd} changes from layer to layer", graded[0].at, reason, fix)
        return None
    if all(made == path[0] for made in path):
        return (path[0],)
    says = "what stands before and after the layers, the head too, has the first value of a gradient"
    found.remark(says, graded[0].at)
    return path


def _deciding(rules: Sequence[Rule], filter_: str) -> Rule | None:
    return next((rule for rule in rules if rule.filter in filter_), None)


def _not_a_line(path: Sequence[Made], between: Sequence[Made]) -> str:
    """What does not go evenly from each of these to the next; empty where all does."""
    fields, halfway = [_fields(made) for made in path], [_fields(made) for made in between]
    for name in dict.fromkeys(name for one in fields for name in one):
        if not vary([{name: one.get(name)} for one in fields]):
            return f"`{name}`"
    for (a, b), found in zip(pairwise(fields), halfway, strict=True):
        for name, wanted in mixed_fields(a, b, 0.5).items():
            if not _near(wanted, found[name]):
                return f"`{name}`"
    return ""


def _near(one: Any, other: Any) -> bool:
    if isinstance(one, tuple) and isinstance(other, tuple):
        return all(map(_near, one, other))
    close = isinstance(one, float) and math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
    return bool(one == other or close)


_ARGUMENT = re.compile(r"(\w+): (\[[^\]]*\]|[^,()]+)")
_WORDS = {"true": True, "false": False}


def _fields(made: Made) -> dict[str, Any]:
    """All that a merge says, with what its method says when it is not told."""
    name, _, told = made.method.partition("(")
    args: dict[str, Any] = {"weights": made.weights, "the method": name}
    for argument, field in methods_of("merge")[name].model_fields.items():
        args[argument] = field.default
    for argument, text in _ARGUMENT.findall(told):
        is_word = text[0].isalpha()
        value = _WORDS.get(text, text) if is_word else ast.literal_eval(text)
        args[argument] = tuple(value) if isinstance(value, list) else value
    return args


def _rules(filter_: str, path: Sequence[Made], own: Made, segments: Segments) -> Iterator[str]:
    weights, methods = [made.weights for made in path], [made.method for made in path]
    says = [quote(_pattern(filter_))] if filter_ or len(path) == 1 else []
    of_weights = [f"[{', '.join(map(repr, row))}]" for row in weights]
    differs = any(row != own.weights for row in weights), any(method != own.method for method in methods)
    if len(path) == 1:
        says += [f"weights: {of_weights[0]}"] * differs[0] + [f"method: {methods[0]}"] * differs[1]
        yield f"tensors({', '.join(says)})"
        return
    rows = _fewest(of_weights, [{"weights": row} for row in weights])
    settings = _fewest(methods, [_fields(made) | {"weights": None} for made in path])
    for number, (start, stop) in enumerate(segments or ((0, 0),)):
        told = [f"weights: [{', '.join(rows)}]"] * differs[0]
        told += [f"method: [{', '.join(settings)}]"] * differs[1]
        told += [f"start: {start}", f"stop: {stop}"] if segments else []
        told += ["ends: first"] if filter_ and not number else []
        yield f"gradient({', '.join((*says, *told))})"


def _fewest(texts: Sequence[str], points: Sequence[dict[str, Any]]) -> Sequence[str]:
    """The texts of as few evenly spread points as give all of them, one where all are equal."""
    steps = len(points) - 1
    if all(point == points[0] for point in points):
        return texts[:1]
    strides = (n for n in range(steps, 0, -1) if steps % n == 0 and _give(points[::n], points))
    return texts[:: next(strides)]


def _give(few: Sequence[dict[str, Any]], points: Sequence[dict[str, Any]]) -> bool:
    made = (mixed_fields(*around(few, number, len(points))) for number in range(len(points)))
    return all(_near(tuple(a.values()), tuple(b.values())) for a, b in zip(made, points, strict=True))


def _pattern(filter_: str) -> str:
    return f"*{glob.escape(filter_)}*"
