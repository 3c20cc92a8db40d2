"""Values of parameters: numbers, gradients, values by filter, from the place of a model to the whole merge.

mergekit looks a parameter up from the narrowest place to the widest. In each the value is a scalar, a list
of numbers (a gradient over the layers), or a list of `{filter, value}`: the first whose filter is part of
the tensor's name counts, and where none is, the next wider place is asked.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence as Several
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from fusec.cli.mergekit.filters import apart
from fusec.cli.mergekit.findings import Findings, shown
from fusec.cli.mergekit.vocabulary import METHODS, PARAMETERS, RULE
from fusec.cli.mergekit.yaml_tree import Entry, Mapping, Node, Scalar, Sequence, is_null
from fusec.lang.source import Span

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_SWITCHES = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
SWITCHED = (
    "normalize", "rescale", "nuslerp_flatten", "nuslerp_row_wise", "normalize_weights", "filter_wise",
)  # fmt: skip


class Where(NamedTuple):
    """Some tensors: those with `filter` in their name and no filter before it, or with none at all.

    Of these, `t` of the way from the first layer to the last.
    """

    filter: str = ""
    t: Fraction = Fraction(0)


@dataclass(frozen=True)
class Rule:
    """Values for the tensors whose name contains `filter`; an empty filter is part of every name.

    Several points are a gradient, spread evenly from the first layer to the last.
    """

    filter: str
    points: tuple[float, ...]
    at: Span

    def value(self, name: str, t: Fraction) -> float:
        """Between two points a switch is the one before, a number lies on the line from one to the other."""
        at = t * (len(self.points) - 1)
        before, behind = self.points[math.floor(at)], self.points[math.ceil(at)]
        if name in SWITCHED or before == behind:
            return before
        one, other = (Fraction(repr(point)) for point in (before, behind))
        return float(one + (other - one) * (at % 1))


@dataclass(frozen=True)
class Value:
    """What a parameter comes to for the tensors that are looked at."""

    rest: float
    at: Span


@dataclass(frozen=True)
class Filtered:
    """What a parameter comes to by name: the first rule that matches a tensor, and otherwise `rest`."""

    rules: tuple[Rule, ...]
    rest: float
    at: Span


Place = dict[str, Entry]
"""The parameters that are written in one place."""


def read_place(node: Node, found: Findings) -> Place:
    """The parameters of one `parameters:` mapping, null ones left out; unknown ones are reported."""
    if is_null(node):
        return {}
    entries = found.fields(node, PARAMETERS, "`parameters`")
    return {name: entry for name, entry in entries.items() if not is_null(entry.value)}


class Lookup:
    """Looks parameters up for some tensors of a merge, and knows in the end which were never asked for.

    `filters` are all filters in the order in which they are tried; `lists` are the rules that were found.
    """

    def __init__(self, method: str, found: Findings) -> None:
        self.method = method
        self.lists: dict[tuple[Rule, ...], None] = {}
        self._found = found
        self._asked: set[Span] = set()
        self._where = Where()
        self._filters: tuple[str, ...] = ()

    def of(self, where: Where, filters: tuple[str, ...]) -> Lookup:
        """The same for other tensors."""
        other = Lookup(self.method, self._found)
        other.lists, other._asked = self.lists, self._asked
        other._where, other._filters = where, filters
        return other

    def value(
        self, name: str, places: Several[Place], default: float | None, what: str, at: Span
    ) -> Value | None:
        """The value of a parameter, narrowest place first; None, with a message, where there is none."""
        rules = self._everywhere(name, places)
        if rules is None:
            return None
        self.lists.setdefault(tuple(rules))
        decides = next((rule for rule in rules if rule.filter in self._where.filter), None)
        if not self._is_clear(name, rules, decides):
            return None
        if decides is not None:
            return Value(decides.value(name, self._where.t), decides.at)
        if default is None:
            self._missing(name, bool(rules), what, at)
            return None
        return Value(default, at)

    def by_filter(self, name: str, places: Several[Place], default: float, at: Span) -> Filtered | None:
        """The values of a parameter by name; None, with a message, where they change from layer to layer."""
        rules = self._everywhere(name, places)
        if rules is None:
            return None
        graded = next((rule for rule in rules if len(rule.points) > 1), None)
        if graded is not None:
            self._found.lacks(
                f"`{name}` changes from layer to layer",
                graded.at,
                f"a slice of fusec has one `{name}` for all of its layers",
                f"give `{name}` one value, or each layer a slice of its own",
            )
            return None
        if rules and not rules[-1].filter:
            last = rules.pop()
            return Filtered(_that_matter(rules, last.points[0]), last.points[0], last.at)
        return Filtered(_that_matter(rules, default), default, at)

    def _everywhere(self, name: str, places: Several[Place]) -> list[Rule] | None:
        """The rules of all places, narrowest first, up to one for all tensors."""
        rules: list[Rule] = []
        for place in places:
            entry = place.get(name)
            if entry is None:
                continue
            self._asked.add(entry.at)
            here = self._rules(name, entry.value)
            if here is None:
                return None
            rules += here
            if here and not here[-1].filter:
                break
        return rules

    def _is_clear(self, name: str, rules: Several[Rule], decides: Rule | None) -> bool:
        """Whether no other filter of this list can name one of the tensors and give it another value."""
        mine = self._where.filter
        for rule in rules:
            if rule is decides or not mine:
                return True
            later = rule.filter in self._filters[self._filters.index(mine) :]
            if later and not apart(rule.filter, mine) and (decides is None or rule.points != decides.points):
                self._found.lacks(
                    f"`{name}` says nothing of tensors with `{mine}` and `{rule.filter}` in their name",
                    rule.at,
                    f"another parameter has values for `{mine}`, which may be the same tensors",
                    "list the same filters in the same order for all parameters",
                )
                return False
        return True

    def _missing(self, name: str, filtered: bool, what: str, at: Span) -> None:
        which = "where no filter matches" if filtered else f"for {what}"
        self._found.misfit(
            f"`{name}` is missing {which}",
            at,
            f"add `{name}` to its `parameters`, or to those of the whole merge",
            f"`{self.method}` has no default for it",
        )

    def unasked(self, places: Several[Place], why: str = "") -> None:
        """Remarks on the parameters of these places that had no part in the result, with the reason."""
        read = (*METHODS[self.method].each, *METHODS[self.method].shared)
        for place in places:
            for entry in place.values():
                if entry.at not in self._asked:
                    self._asked.add(entry.at)
                    self._found.use_all(entry.value)
                    other = "is for models without one of their own, and all have one"
                    says = why or (other if entry.key in read else f"has no part in `{self.method}`")
                    self._found.remark(f"{shown(entry)} {says}", entry.at)

    def _rules(self, name: str, node: Node) -> list[Rule] | None:
        if isinstance(node, Sequence) and any(isinstance(item, Mapping) for item in node.items):
            rules = self._by_filter(name, node)
            if rules is None:
                self._found.use_all(node)
            return rules
        points = self._points(name, node)
        return None if points is None else [Rule("", points, node.span)]

    def _by_filter(self, name: str, node: Sequence) -> list[Rule] | None:
        rules: list[Rule] = []
        for item in node.items:
            if rules and not rules[-1].filter:
                says = f"`{name}` goes on after a value for all tensors"
                self._found.misfit(says, item.span, "leave it out, or move it up", "it is never reached")
                return None
            entries = self._found.fields(item, RULE, f"an entry of `{name}`")
            if "value" not in entries:
                if isinstance(item, Mapping):
                    self._found.misfit(f"an entry of `{name}` has no `value`", item.span, "add `value:`")
                return None
            wanted = self._filter(entries.get("filter"))
            points = self._points(name, entries["value"].value)
            if wanted is None or points is None:
                return None
            if any(rule.filter in wanted for rule in rules):
                at = entries["value"].value.span
                reason = "every tensor it names has the value of an entry above it"
                self._found.misfit(
                    f"this `{name}` is never reached", at, "leave it out, or move it up", reason
                )
                return None
            rules.append(Rule(wanted, points, entries["value"].value.span))
        return rules

    def _filter(self, entry: Entry | None) -> str | None:
        if entry is None or is_null(entry.value):
            return ""
        if not isinstance(entry.value, Scalar):
            self._found.misfit("`filter` is a word", entry.value.span, "write a part of the tensor's name")
            return None
        return "" if entry.value.text == "*" else entry.value.text

    def _points(self, name: str, node: Node) -> tuple[float, ...] | None:
        """A scalar or the points of a gradient, one where they are all equal."""
        if not isinstance(node, Sequence):
            one = self._scalar(name, node)
            return None if one is None else (one,)
        found = [self._scalar(name, item) for item in node.items]
        points = tuple(point for point in found if point is not None)
        if not found:
            self._found.misfit(f"`{name}` is an empty list", node.span, "write a value")
        if not found or len(points) < len(found):
            return None
        return points[:1] if len(set(points)) == 1 else points

    def _scalar(self, name: str, node: Node) -> float | None:
        switch = name in SWITCHED
        if isinstance(node, Scalar) and not node.quoted:
            if switch and node.text.lower() in _SWITCHES:
                return float(_SWITCHES[node.text.lower()])
            # The text decides, not YAML's type: `1e-3` without a point is a number to its author.
            if not switch and _NUMBER.fullmatch(node.text) and math.isfinite(float(node.text)):
                return float(node.text)
        takes = "`true` or `false`" if switch else "a number"
        self._found.misfit(f"`{name}` takes {takes}", node.span, f"write {takes}")
        self._found.use_all(node)
        return None


def _that_matter(rules: list[Rule], rest: float) -> tuple[Rule, ...]:
    """The rules without those that an earlier one hides and the last ones that say what holds anyway."""
    reached: list[Rule] = []
    for rule in rules:
        if not any(earlier.filter in rule.filter for earlier in reached):
            reached.append(rule)
    while reached and reached[-1].points == (rest,):
        reached.pop()
    return tuple(reached)
