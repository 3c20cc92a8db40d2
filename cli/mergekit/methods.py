"""From mergekit's methods to `merge { … }`: weights, sizes and signs as fusec writes them.

fusec does the same arithmetic for the same words, so most of this says which settings are equal: `lambda`
is `scale`, a weight of 0 everywhere is `keep`, a copy is the mean of one model.
"""

from __future__ import annotations

from dataclasses import dataclass

from fusec.cli.mergekit.dropping import read_dropping
from fusec.cli.mergekit.findings import Findings
from fusec.cli.mergekit.forms import FORMS, settle
from fusec.cli.mergekit.parameters import Lookup, Place
from fusec.cli.mergekit.references import Reference
from fusec.cli.mergekit.varying import Made, Segments, spread
from fusec.cli.mergekit.vocabulary import ELECTING, METHODS, NORMALIZING
from fusec.lang.codes.fuse603_misfit import Misfit
from fusec.lang.source import Span

NO_SUM = 1e-8
"""A sum of weights below this does not normalize in mergekit."""


@dataclass(frozen=True)
class Merge:
    """One `model … = merge { … }`. Weights are None where the method takes none."""

    name: str
    base: Reference
    experts: tuple[tuple[Reference, float | None], ...]
    method: str
    rules: tuple[str, ...]
    keep: tuple[str, ...]
    dtype: str | None
    based: bool  # the configuration names the base, and experts descend from it
    at: Span


Models = tuple[tuple[Reference, Place], ...]


def combine(
    *,
    name: str,
    method: str,
    base: Reference | None,
    models: Models,
    around: tuple[Place, ...],
    dtype: str | None,
    at: Span,
    found: Findings,
    segments: Segments = (),
) -> Merge | None:
    """The merge in fusec's terms; None, with messages, where there is none.

    `segments` are the layers of each slice, where there are several: gradients start anew in each.
    """
    lookup = Lookup(method, found)
    _check_places(method, models, found)
    distinct = _distinct(models, found)
    rule = settle if method in FORMS else {"linear": _linear, "passthrough": _copy}.get(method, _updates)
    varied = spread(lambda lookup: rule(lookup, base, models, around, at, found), lookup, segments, at, found)
    lookup.unasked([*(own for _, own in models), *around])
    if varied is None or not distinct:
        return None
    own = varied.own
    donor = base or own.experts[0][0]
    if varied.keep and dtype:
        found.remark("tensors under `keep` stay in the base's type", at)
    if base is None:
        says = f"no `base_model`: configuration and tokenizer are those of the first model, `{donor.uri}`"
        found.remark(says, at)
    based = base is not None
    return Merge(name, donor, own.experts, own.method, varied.rules, varied.keep, dtype, based, at)


def _check_places(method: str, models: Models, found: Findings) -> None:
    """A parameter of the whole merge that is written beside one model is never read there."""
    for _, own in models:
        for key, entry in own.items():
            if key in METHODS[method].shared:
                reason = "one value serves all models, so it is never looked for here"
                fix = "move it to the `parameters` of the whole merge"
                found.misfit(f"`{key}` stands beside one model", entry.at, fix, reason)


def _distinct(models: Models, found: Findings) -> bool:
    first: dict[str, Span] = {}
    for model, _ in models:
        if model.uri in first:
            says = f"`{model.uri}` is listed twice"
            fix = "list it once, with the sum of its weights"
            found.report(Misfit(says, model.at, fix, "", "", first[model.uri], "first here"))
        first.setdefault(model.uri, model.at)
    return len(first) == len(models)


def _linear(
    lookup: Lookup,
    base: Reference | None,
    models: Models,
    around: tuple[Place, ...],
    at: Span,
    found: Findings,
) -> Made | None:
    if base and base.uri not in [model.uri for model, _ in models]:
        models = (*models, (base, {}))
        says = "`linear` counts `base_model` among its models, so it is one of the experts here"
        found.remark(says, base.at)
    weights = [
        lookup.value("weight", (own, *around), None, f"`{model.uri}`", model.at) for model, own in models
    ]
    normalize = lookup.value("normalize", around, 1.0, "the merge", at)
    known = [weight.rest for weight in weights if weight]
    if normalize is None or len(known) != len(models):
        return None
    if normalize.rest and abs(sum(known)) < NO_SUM:
        reason = "the weights are divided by their sum"
        found.misfit("the weights sum to 0", at, "change a weight, or set `normalize: false`", reason)
        return None
    experts = tuple((model, weight) for (model, _), weight in zip(models, known, strict=True))
    return Made(experts, "linear" if normalize.rest else "linear(normalize: false)")


def _copy(
    lookup: Lookup,
    base: Reference | None,
    models: Models,
    around: tuple[Place, ...],
    at: Span,
    found: Findings,
) -> Made | None:
    if len(models) > 1:
        says = "`passthrough` takes one model"
        found.misfit(says, models[1][0].at, "leave one, or choose a method that merges", "it only copies")
        return None
    model, own = models[0]
    if base and base.uri != model.uri:
        says = "a copy with the configuration of another model has no counterpart"
        found.lacks(says, model.at, "a copy keeps its own configuration", "leave out `base_model`", base.at)
        return None
    scale = lookup.value("scale", (own, *around), 1.0, f"`{model.uri}`", model.at)
    if scale is None:
        return None
    found.remark("`passthrough` copies a model: here the mean of that one model, bit for bit", model.at)
    if scale.rest == 1:
        return Made(((model, None),), "average")
    return Made(((model, scale.rest),), "linear(normalize: false)")


def _updates(
    lookup: Lookup,
    base: Reference | None,
    models: Models,
    around: tuple[Place, ...],
    at: Span,
    found: Findings,
) -> Made | None:
    """task_arithmetic, ties and their like: the base plus what the experts changed."""
    method = lookup.method
    if base is None:
        reason = "it adds to the base what each expert changed"
        found.misfit(f"`{method}` needs `base_model`", at, "add `base_model:`", reason)
        return None
    experts = tuple(pair for pair in models if pair[0].uri != base.uri)
    for model, own in models:
        if model.uri == base.uri:
            found.remark(
                "the base is listed too: it changed nothing against itself, so it is no expert", model.at
            )
            lookup.unasked([own], "stands beside the base and has no effect")
    if not experts:
        says, reason = "there is no expert beside the base", "the result would be a copy of the base"
        found.lacks(says, at, reason, "list an expert, or copy the base with `passthrough`")
        return None
    weights = [
        lookup.value("weight", (own, *around), None, f"`{model.uri}`", model.at) for model, own in experts
    ]
    scale = lookup.value("lambda", around, 1.0, "the merge", at)
    normalize = lookup.value("normalize", around, float(method in NORMALIZING), "the merge", at)
    dropping = read_dropping(lookup, experts, around, at, found) if method != "task_arithmetic" else ()
    known = [weight for weight in weights if weight]
    if scale is None or normalize is None or dropping is None or len(known) != len(experts):
        return None
    divides = bool(normalize.rest)
    if divides and method not in ELECTING and abs(sum(weight.rest for weight in known)) < NO_SUM:
        divides = False
        found.remark("the weights sum to 0, so mergekit does not normalize them", normalize.at)
    words = list(dropping)
    words += [f"scale: {scale.rest!r}"] if scale.rest != 1 else []
    words += [f"normalize: {str(divides).lower()}"] if divides != (method in NORMALIZING) else []
    call = f"{method}({', '.join(words)})" if words else method
    weighted = tuple((model, weight.rest) for (model, _), weight in zip(experts, known, strict=True))
    return Made(weighted, call, stays=scale.rest == 0 or all(weight.rest == 0 for weight in known))
