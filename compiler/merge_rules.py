"""Whether methods, weights and rules of a merge go with each other and with its experts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

from fusec.compiler.choices import Choice, assign, at_points, choice, misplaced
from fusec.compiler.layers import NoLayers
from fusec.compiler.methods.rule import Rule
from fusec.compiler.slots import Input
from fusec.compiler.step import Site
from fusec.lang.codes.fuse212_out_of_range import OutOfRange
from fusec.lang.codes.fuse213_no_layers import NoLayers as LayersUnknown
from fusec.lang.source import Span
from fusec.lang.types import ModelType


def check_choice(site: Site, made: Choice, *, method_at: Span, weights_at: Span) -> bool:
    """Whether a method takes these experts and weights; reports what it does not take."""
    problems = tuple(chain(_number(made, weights_at), _weights(made, weights_at), _misfits(made, method_at)))
    for problem in problems:
        site.report(problem)
    return not problems


def check_rules(site: Site, base: Input, rules: Sequence[Rule], own: Choice) -> bool:
    """Whether every rule means tensors of the base, and says what fits the experts; reports the rest."""
    sound = [_has_all_weights(site, rule, index, len(own.weights)) for index, rule in enumerate(rules)]
    if not all(sound):
        return False
    names = site.shapes_of(base.type.space.fingerprint) if isinstance(base.type, ModelType) else None
    if names is not None:
        return _of_tensors(site, base, rules, own, names)
    said = [_are_sound(site, at_points(rule, own), index) for index, rule in enumerate(rules)]
    return all(said)


def _of_tensors(site: Site, base: Input, rules: Sequence[Rule], own: Choice, names: Iterable[str]) -> bool:
    """Rules where the tensors are known: what each of them says for those that it takes."""
    try:
        wrong = tuple(misplaced(rules, names))
        places = dict.fromkeys(assign(rules, names).values())
    except NoLayers as problem:
        first = next(index for index, rule in enumerate(rules) if rule.bounds is not None)
        at, declared = site.at("rules", first), site.declared(base)
        site.report(LayersUnknown(site.label(base), at, str(problem), declared))
        return False
    for index, what, got, allowed in wrong:
        site.report(OutOfRange(at=site.at("rules", index), what=what, got=got, allowed=allowed))
    said = [
        _are_sound(site, [choice(rule, place, own) for number, place in places if number == index], index)
        for index, rule in enumerate(rules)
    ]
    return not wrong and all(said)


def _are_sound(site: Site, made: Iterable[Choice], index: int) -> bool:
    at = site.at("rules", index)
    return all(check_choice(site, one, method_at=at, weights_at=at) for one in dict.fromkeys(made))


def _has_all_weights(site: Site, rule: Rule, index: int, experts: int) -> bool:
    odd = next((row for row in rule.weight_points if len(row) != experts), None)
    if odd is None:
        return True
    numbers = f"{len(odd)} number{'s' * (len(odd) != 1)}"
    allowed = f"one for each of the {experts} experts"
    site.report(OutOfRange(at=site.at("rules", index), what="`weights`", got=numbers, allowed=allowed))
    return False


def _number(made: Choice, at: Span) -> Iterable[OutOfRange]:
    method, count = made.method, len(made.weights)
    least, most = method.least, method.most
    if count < least or (most is not None and count > most):
        yield OutOfRange(
            at=at,
            what=f"the number of experts of `{method.name}`",
            got=str(count),
            allowed=f"exactly {most}" if least == most else f"at least {least}",
        )


def _weights(made: Choice, at: Span) -> Iterable[OutOfRange]:
    if not made.method.weighted and any(weight is not None for weight in made.weights):
        yield OutOfRange(
            at=at,
            what=f"`{made.method.name}`",
            got="weights beside the experts",
            allowed="a plain list; `linear` takes weights",
        )
    if made.method.divides and sum(made.numbers) == 0:
        yield OutOfRange(
            at=at,
            what="the sum of the weights",
            got="0",
            allowed="a sum other than 0 when the method normalizes",
        )


def _misfits(made: Choice, at: Span) -> Iterable[OutOfRange]:
    return (OutOfRange(at=at, **misfit._asdict()) for misfit in made.method.misfits(len(made.weights)))
