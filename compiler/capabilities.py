"""What a slot may ask of a model, and whether the model gives it: weights, log-probabilities, text.

Model <: Scorer <: Sampler. A slot asks for the least it needs, so a checkpoint fits everywhere, and an
endpoint only where nobody reads weights.
"""

from __future__ import annotations

from fusec.compiler.slots import Input, Keyed, Many, One, Weighted, WeightedMany
from fusec.compiler.step import Site, Step
from fusec.lang.codes.fuse210_cannot_give import CannotGive
from fusec.lang.source import Span
from fusec.lang.types import CAPABILITIES, EndpointType, ModelType, Type, capability, kind_of, noun


def is_of_kind(type_: Type, kind: str) -> bool:
    """Whether a value is of the kind a slot takes; how much a model of it gives is another question."""
    return kind_of(type_) == ("model" if kind in CAPABILITIES else kind)


def gives(type_: Type, kind: str) -> bool:
    """Whether a value fits where `kind` is asked; anything broken does."""
    if kind not in CAPABILITIES or not isinstance(type_, (ModelType, EndpointType)):
        return True
    return CAPABILITIES.index(capability(type_)) >= CAPABILITIES.index(kind)


def need(site: Site, value: Input, kind: str, at: Span, asks: str, asks_at: Span) -> bool:
    """Whether `value`, written at `at`, gives what `asks` needs; reports it where it does not.

    For type rules in which a method decides: `need(site, self.teacher, "scorer", ..., "this loss", ...)`.
    """
    if gives(value.type, kind):
        return True
    declared = site.declared(value)
    site.report(
        CannotGive(site.label(value), at, noun(value.type), kind.capitalize(), asks, asks_at, declared)
    )
    return False


def capable(site: Site, step: Step, verb_at: Span) -> bool:
    """Whether every model of a step gives what its slot asks; those that do not are reported."""
    missing = False
    for slot, want in type(step).wants().items():
        if not isinstance(want, (One, Many, WeightedMany)):
            continue
        held = getattr(step, slot)
        many = isinstance(held, tuple)
        for index, member in enumerate(held if many else (held,)):
            value = member.input if isinstance(member, (Keyed, Weighted)) else member
            if isinstance(value, Input):
                at = site.at(slot, index if many else None)
                missing |= not need(site, value, want.kind, at, step.verb, verb_at)
    return not missing
