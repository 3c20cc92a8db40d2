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

from fusec.cli.mergekit.findings import Findings, shown
from fusec.cli.mergekit.vocabulary import METHODS, PARAMETERS, RULE
from fusec.cli.mergekit.yaml_tree import Entry, Mapping, Node, Scalar, Sequence, is_null
from fusec.lang.source import Span

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_SWITCHES = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
SWITCHED = (
    "normalize", "rescale", "nuslerp_flatten", "nuslerp_row_wise", "normalize_weights", "filter_wise",
)  # fmt: skip


@dataclass(frozen=True)
class Rule:
    """A value for the tensors whose name contains `filter`; an empty filter is part of every name."""

    filter: str
    value: float
    at: Span


@dataclass(frozen=True)
class Value:
    """What a parameter comes to: the first rule that matches a tensor, and otherwise `rest`."""

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
    """Looks parameters up for one merge, and knows in the end which were never asked for."""

    def __init__(self, method: str, found: Findings) -> None:
        self.method = method
        self._found = found
        self._asked: set[Span] = set()

    def value(
        self, name: str, places: Several[Place], default: float | None, what: str, at: Span
    ) -> Value | None:
        """The value of a parameter, narrowest place first; None, with a message, where there is none."""
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
        if rules and not rules[-1].filter:
            last = rules.pop()
            return Value(_that_matter(rules, last.value), last.value, last.at)
        if default is None:
            which = "where no filter matches" if rules else f"for {what}"
            self._found.misfit(
                f"`{name}` is missing {which}",
                at,
                f"add `{name}` to its `parameters`, or to those of the whole merge",
                f"`{self.method}` has no default for it",
            )
            return None
        return Value(_that_matter(rules, default), default, at)

    def plain(
        self, name: str, places: Several[Place], default: float | None, what: str, at: Span
    ) -> Value | None:
        """As `value`, and the same for all tensors; otherwise a message and None."""
        value = self.value(name, places, default, what, at)
        if value is None or not value.rules:
            return value
        self._found.lacks(
            f"`{name}` differs between tensors",
            value.rules[0].at,
            f"`{self.method}` of fusec has one `{name}` for all tensors",
            f"give `{name}` one value",
        )
        return None

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
        one = self._constant(name, node)
        return None if one is None else [Rule("", one, node.span)]

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
            value = self._constant(name, entries["value"].value)
            if wanted is None or value is None:
                return None
            if any(rule.filter in wanted for rule in rules):
                at = entries["value"].value.span
                reason = "every tensor it names has the value of an entry above it"
                self._found.misfit(
                    f"this `{name}` is never reached", at, "leave it out, or move it up", reason
                )
                return None
            rules.append(Rule(wanted, value, entries["value"].value.span))
        return rules

    def _filter(self, entry: Entry | None) -> str | None:
        if entry is None or is_null(entry.value):
            return ""
        if not isinstance(entry.value, Scalar):
            self._found.misfit("`filter` is a word", entry.value.span, "write a part of the tensor's name")
            return None
        return "" if entry.value.text == "*" else entry.value.text

    def _constant(self, name: str, node: Node) -> float | None:
        """A scalar, or the one value of a gradient that does not change."""
        if not isinstance(node, Sequence):
            return self._scalar(name, node)
        values = [self._scalar(name, item) for item in node.items]
        if not values:
            self._found.misfit(f"`{name}` is an empty list", node.span, "write a value")
        if not values or None in values:
            return None
        if len(set(values)) > 1:
            self._found.lacks(
                f"`{name}` changes from layer to layer",
                node.span,
                "a list of numbers is a gradient over the layers; fusec has one value for all of them",
                f"give `{name}` one value",
            )
            return None
        return values[0]

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
    while reached and reached[-1].value == rest:
        reached.pop()
    return tuple(reached)
