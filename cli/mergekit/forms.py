"""mergekit's methods whose settings are words of the whole merge: spheres, selections, swaps.

They differ in how the base takes part, how many models they merge and which words they have; the rest of
the translation is one. What values a setting takes is what fusec's method of the same name declares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pydantic

from fusec.cli.mergekit.findings import Findings
from fusec.cli.mergekit.parameters import Lookup, Place
from fusec.cli.mergekit.references import Reference
from fusec.cli.mergekit.varying import Made
from fusec.compiler.step import methods_of
from fusec.lang.source import Span

if TYPE_CHECKING:
    from fusec.cli.mergekit.methods import Models


@dataclass(frozen=True)
class Form:
    """`words` are mergekit's settings with fusec's names and mergekit's defaults; None where it has none.

    `base`: what the others are merged into, that or nothing, or a model like any other.
    """

    base: Literal["needed", "optional", "a model"]
    least: int
    most: int | None
    weighted: bool
    words: tuple[tuple[str, str, float | bool | int | None], ...] = ()


_RAM = ("epsilon", "epsilon", 1e-5)

FORMS = {
    "slerp": Form("needed", 1, 1, False, (("t", "t", None),)),
    "nuslerp": Form(
        "optional",
        2,
        2,
        True,
        (("nuslerp_flatten", "flatten", True), ("nuslerp_row_wise", "row_wise", False)),
    ),
    "multislerp": Form(
        "optional", 1, None, True, (("normalize_weights", "normalize", True), ("eps", "eps", 1e-8))
    ),
    "karcher": Form("a model", 1, None, False, (("max_iter", "max_iter", 10), ("tol", "tol", 1e-5))),
    "model_stock": Form("needed", 2, None, False, (("filter_wise", "filter_wise", False),)),
    "sce": Form("needed", 1, None, False, (("select_topk", "select_topk", 1.0),)),
    "arcee_fusion": Form("needed", 1, 1, False),
    "nearswap": Form("needed", 1, 1, False, (("t", "t", None),)),
    "ram": Form("needed", 1, None, False, (_RAM,)),
    "ramplus_tl": Form("needed", 1, None, False, (_RAM, ("r", "r", 0.1), ("alpha", "alpha", 0.2))),
}

_DIFFERS = {
    "sce": "of equally large variances at the edge fusec keeps the first, mergekit any; fusec weighs experts "
    "by mean squares of any size, mergekit counts those below 1e-6 in sum alike",
    "arcee_fusion": "fusec takes exact quartiles; mergekit those of a million random elements",
}


def settle(
    lookup: Lookup,
    base: Reference | None,
    models: Models,
    around: tuple[Place, ...],
    at: Span,
    found: Findings,
) -> Made | None:
    form = FORMS[lookup.method]
    experts = _experts(lookup, form, base, models, at, found)
    weights = _weights(lookup, form, experts, around, found) if experts else None
    args = _arguments(lookup, form, around, at, found)
    if experts is None or weights is None or args is None:
        return None
    misfits = tuple(methods_of("merge")[lookup.method](**args).misfits(len(experts)))  # type: ignore[attr-defined]
    for misfit in misfits:
        found.lacks(f"{misfit.what} cannot be {misfit.got}", at, f"it takes {misfit.allowed}", "change it")
    if misfits:
        return None
    if lookup.method == "nuslerp" and abs(sum(weight or 0 for weight in weights)) < 1e-6:
        found.remark("the weights sum to 0: mergekit goes halfway, as with equal weights", at)
        weights = [1.0, 1.0]
    if lookup.method == "multislerp" and args["normalize"] and not sum(weight or 0 for weight in weights):
        fix = "change a weight, or set `normalize_weights: false`"
        found.misfit("the weights sum to 0", at, fix, "they are divided by their sum")
        return None
    if lookup.method == "multislerp" and len(weights) == 1 and weights != [1.0]:
        found.remark("with one model mergekit leaves its weight out", at)
        weights = [1.0]
    if base is None and form.base == "optional":
        args["of"] = "weights"
    if lookup.method in _DIFFERS:
        found.remark(_DIFFERS[lookup.method], at)
    merged = tuple((model, weight) for (model, _), weight in zip(experts, weights, strict=True))
    return Made(merged, _call(lookup.method, args))


def _experts(
    lookup: Lookup, form: Form, base: Reference | None, models: Models, at: Span, found: Findings
) -> Models | None:
    """The models that are merged, the base among them only where it is like any other."""
    method = lookup.method
    if form.base == "a model":
        if base and base.uri not in [model.uri for model, _ in models]:
            models = (*models, (base, {}))
            says = f"`{method}` counts `base_model` among its models, so it is one of the experts here"
            found.remark(says, base.at)
        return models
    if base is None and form.base == "needed":
        reason = "the others are merged into it"
        found.misfit(f"`{method}` needs `base_model`", at, "add `base_model:`", reason)
        return None
    for model, own in models:
        if base and model.uri == base.uri:
            lookup.unasked([own], "stands beside the base and has no effect")
    experts = tuple(pair for pair in models if base is None or pair[0].uri != base.uri)
    if form.least <= len(experts) and (form.most is None or len(experts) <= form.most):
        return experts
    number = f"{form.least}" if form.least == form.most else f"at least {form.least}"
    beside = " beside the base" if base else ""
    says = f"`{method}` takes {number} model{'s' if form.least > 1 else ''}{beside}, here are {len(experts)}"
    found.misfit(says, at, "add or remove models")
    return None


def _weights(
    lookup: Lookup, form: Form, experts: Models, around: tuple[Place, ...], found: Findings
) -> list[float | None] | None:
    if not form.weighted:
        return [None] * len(experts)
    values = [
        lookup.value("weight", (own, *around), None, f"`{model.uri}`", model.at) for model, own in experts
    ]
    known: list[float | None] = [value.rest for value in values if value]
    return known if len(known) == len(experts) else None


def _arguments(
    lookup: Lookup, form: Form, around: tuple[Place, ...], at: Span, found: Findings
) -> dict[str, Any] | None:
    """fusec's arguments by name; None, with messages, where a value is missing or no such value is taken."""
    args: dict[str, Any] = {}
    places: dict[str, Span] = {}
    for theirs, ours, default in form.words:
        value = lookup.value(theirs, around, default, "the merge", at)
        if value is None:
            continue
        places[ours] = value.at
        args[ours] = bool(value.rest) if isinstance(default, bool) else value.rest
        if isinstance(default, int) and not isinstance(default, bool) and float(value.rest).is_integer():
            args[ours] = int(value.rest)
        if ours == "select_topk" and value.rest > 1:
            args[ours] = 1.0
    if len(args) < len(form.words):
        return None
    try:
        methods_of("merge")[lookup.method](**args)
    except pydantic.ValidationError as error:
        for problem in error.errors():
            name = str(problem["loc"][0])
            reason = f"`{name}` of `{lookup.method}`: {problem['msg'].lower()}"
            found.lacks(
                f"{args[name]!r} has no counterpart", places[name], reason, "write a value in that range"
            )
        return None
    return args


def _call(method: str, args: dict[str, Any]) -> str:
    """The method as a spec writes it, without what is so anyway."""
    fields = methods_of("merge")[method].model_fields
    said = [f"{name}: {_written(value)}" for name, value in args.items() if value != fields[name].default]
    return f"{method}({', '.join(said)})" if said else method


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else repr(value)
