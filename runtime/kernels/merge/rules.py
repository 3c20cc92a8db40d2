"""Rules of a merge while it runs: the experts' weights and the method that they give to tensors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fusec.compiler.choices import assign, misplaced
from fusec.compiler.layers import NoLayers
from fusec.compiler.methods.merge import MergeMethod
from fusec.compiler.methods.rule import Place, Rule
from fusec.compiler.points import around, mixed, mixed_fields
from fusec.compiler.step import methods_of
from fusec.runtime.kernel import Artifact, Method, RunError

Weights = Sequence[float]


def place_tensors(rules: Sequence[Method], names: Iterable[str], base: Path) -> dict[str, tuple[int, Place]]:
    """For each tensor of the base that a rule means, the number of the first such rule and the place in it.

    RunError for a rule that means none.
    """
    patterns, names = [_pattern(rule) for rule in rules], tuple(names)
    try:
        odd = next(misplaced(patterns, names), None)
        if odd is not None:
            raise RunError(f"rules: {odd.what} cannot be {odd.got} for {base}", hint=f"write {odd.allowed}")
        return assign(patterns, names)
    except NoLayers as problem:
        raise RunError(
            f"rules: the layers of {base} are not known: {problem}", hint="name its tensors with `tensors`"
        ) from None


def values_at(rule: Method, place: Place, method: Method, weights: Weights) -> tuple[Method, list[float]]:
    """What a rule says there; where it says nothing, the method and weights of the merge."""
    methods, rows = _method_points(rule), _weight_points(rule)
    if methods:
        one, other, share = around(methods, *place)
        method = replace(one, args=mixed_fields(one.args, other.args, share))
    return method, list(mixed(*around(rows, *place)) if rows else weights)


def said_of_experts(method: Method, rules: Sequence[Method]) -> list[Sequence[float | str]]:
    """All that is said of the experts besides their weights: lists with a number or an identity for each."""
    columns = list(_lists(method).values())
    for rule in rules:
        columns += _weight_points(rule)
        columns += (values for one in _method_points(rule) for values in _lists(one).values())
    return [[one.id if isinstance(one, Artifact) else one for one in values] for values in columns]


def rearranged(method: Method, places: Sequence[int]) -> Method:
    """The method for the experts in another order: first that of place `places[0]`, and so on."""
    lists = {name: tuple(values[place] for place in places) for name, values in _lists(method).items()}
    return replace(method, args={**method.args, **lists})


def rearranged_rule(rule: Method, places: Sequence[int]) -> Method:
    args: dict[str, Any] = {}
    if rows := _weight_points(rule):
        args["weights"] = _as_written(rule, [tuple(row[place] for place in places) for row in rows])
    if methods := _method_points(rule):
        args["method"] = _as_written(rule, [rearranged(one, places) for one in methods])
    return replace(rule, args={**rule.args, **args})


def _lists(method: Method) -> dict[str, Sequence[Any]]:
    """The arguments with a number or data for each expert; methods of packages have none."""
    if method.kernel:
        return {}
    declared = methods_of("merge")[method.name]
    names = declared.per_expert() if issubclass(declared, MergeMethod) else ()
    return {name: method[name] for name in names if isinstance(method[name], Sequence)}


def _declared(rule: Method) -> type[Rule]:
    declared = methods_of("rule")[rule.name]
    assert issubclass(declared, Rule)
    return declared


def _pattern(rule: Method) -> Rule:
    """The tensors that a rule means, without what it says of them."""
    return _declared(rule)(
        **{name: value for name, value in rule.args.items() if name not in ("weights", "method")}
    )


def _weight_points(rule: Method) -> Sequence[Sequence[float]]:
    return _points(rule, "weights")


def _method_points(rule: Method) -> Sequence[Method]:
    return _points(rule, "method")


def _points(rule: Method, argument: str) -> Sequence[Any]:
    value = rule[argument]
    return () if value is None else value if _declared(rule).graded else (value,)


def _as_written(rule: Method, points: Sequence[Any]) -> Any:
    return tuple(points) if _declared(rule).graded else points[0]
