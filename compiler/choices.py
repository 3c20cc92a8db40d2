"""Which method and which weights make which tensor of a merge: the merge's own, or those of its rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple, TypeVar

from fusec.compiler.layers import Layers, layers_of
from fusec.compiler.methods.merge import MergeMethod
from fusec.compiler.methods.rule import Place, Rule
from fusec.compiler.points import around, mixed, mixed_fields
from fusec.compiler.slots import Weighted

R = TypeVar("R", bound=Rule)


class Misplaced(NamedTuple):
    """A rule, by its number, that means no tensor of the base: what it says, and what it could say."""

    rule: int
    what: str
    got: str
    allowed: str


class Choice(NamedTuple):
    """How some tensors are merged; weights are None where nothing is said of an expert."""

    method: MergeMethod
    weights: tuple[float | None, ...]

    @property
    def numbers(self) -> tuple[float, ...]:
        return tuple(1.0 if weight is None else weight for weight in self.weights)


def layers_for(rules: Iterable[Rule], names: Iterable[str]) -> Layers | None:
    """The layers of a model with these tensors; None where no rule asks. Raises NoLayers where one does."""
    return layers_of(names) if any(rule.bounds is not None for rule in rules) else None


def assign(rules: Sequence[Rule], names: Iterable[str]) -> dict[str, tuple[int, Place]]:
    """For each tensor that a rule means, the number of the first such rule and the tensor's place in it.

    `names` are all tensors of the base. Raises NoLayers where a rule counts layers and they have none.
    """
    names = tuple(names)
    layers = layers_for(rules, names)
    assigned = {}
    for name in names:
        found = ((number, rule.finds(name, layers)) for number, rule in enumerate(rules))
        first = next(((number, place) for number, place in found if place is not None), None)
        if first is not None:
            assigned[name] = first
    return assigned


def misplaced(rules: Sequence[Rule], names: Iterable[str]) -> Iterator[Misplaced]:
    """The rules that mean no tensor, whatever rules before them take. Raises NoLayers as `assign` does."""
    names = tuple(names)
    layers = layers_for(rules, names)
    for number, rule in enumerate(rules):
        if rule.bounds is not None and layers is not None:
            start, stop = rule.bounds
            end = layers.count if stop is None else stop
            if not start < end <= layers.count:
                allowed = f"at least one of the layers, which go from 0 up to {layers.count}"
                yield Misplaced(number, f"the range of `{rule.name}`", f"{start} up to {end}", allowed)
                continue
        if not any(rule.finds(name, layers) is not None for name in names):
            inside = [name for name in names if layers is not None and layers.place(name)]
            allowed = f"a pattern of names such as `{min(inside or names)}`"
            yield Misplaced(number, f"the pattern of `{rule.name}`", f"`{rule.names}`", allowed)


def choice(rule: Rule, place: Place, own: Choice) -> Choice:
    """What a rule says at a place; `own` is what the merge itself says."""
    method, weights = own
    if rule.method_points:
        one, other, share = around(rule.method_points, *place)
        fields = mixed_fields(_fields(one), _fields(other), share)
        method = type(one)(**fields) if share else one
        if not method.weighted:
            weights = (None,) * len(weights)
    if rule.weight_points:
        weights = tuple(mixed(*around(rule.weight_points, *place)))
    return Choice(method, weights)


def _fields(method: MergeMethod) -> dict[str, object]:
    return {name: getattr(method, name) for name in type(method).model_fields}


def choices(rules: Sequence[Rule], names: Iterable[str], own: Choice) -> dict[str, Choice]:
    """What every tensor is made with, where that is a rule. Raises NoLayers as `assign` does."""
    assigned = assign(rules, names)
    made = {key: choice(rules[key[0]], key[1], own) for key in dict.fromkeys(assigned.values())}
    return {name: made[key] for name, key in assigned.items()}


def at_points(rule: Rule, own: Choice) -> tuple[Choice, ...]:
    """What a rule says at the points that it gives, where its layers are not known."""
    counts = {len(points) for points in (rule.weight_points, rule.method_points) if points}
    places = (Place(number, count) for count in sorted(counts) for number in range(count))
    return tuple(dict.fromkeys(choice(rule, place, own) for place in places))


def methods(rules: Iterable[Rule], own: MergeMethod) -> tuple[MergeMethod, ...]:
    """The merge's own method first, then those of its rules, each once."""
    return tuple(dict.fromkeys(chain((own,), *(rule.method_points for rule in rules))))


def rearranged(rule: R, places: Sequence[int]) -> R:
    """The rule for the experts in another order: first that of place `places[0]`, and so on."""
    values: dict[str, object] = {}
    if rule.weight_points:
        weights = tuple(tuple(row[place] for place in places) for row in rule.weight_points)
        values["weights"] = weights if rule.graded else weights[0]
    if rule.method_points:
        turned = tuple(method.rearranged(places) for method in rule.method_points)
        values["method"] = turned if rule.graded else turned[0]
    return rule.model_copy(update=values) if values else rule


def paired(rule: R, experts: Sequence[Weighted]) -> R:
    """The rule with results in its methods in the order of the experts that they belong to."""
    methods = tuple(method.paired(experts) for method in rule.method_points)
    return rule.model_copy(update={"method": methods if rule.graded else methods[0]}) if methods else rule


def of_expert(rules: Iterable[Rule], place: int) -> tuple[float, ...]:
    """What rules say about one expert, in an order that does not depend on the other experts."""
    return tuple(chain.from_iterable(_of_expert(rule, place) for rule in rules))


def _of_expert(rule: Rule, place: int) -> Iterator[float]:
    yield from (row[place] for row in rule.weight_points)
    for method in rule.method_points:
        yield from method.of_expert(place)
