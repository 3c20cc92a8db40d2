"""What mergekit says about the changes that a method drops, as arguments of fusec's methods of that name.

A density for each model is a list in the order of the experts. The other parameters of a model have one
value in fusec.
"""

from __future__ import annotations

from fusec.cli.mergekit.findings import Findings
from fusec.cli.mergekit.parameters import Lookup, Place, Value
from fusec.cli.mergekit.references import Reference
from fusec.lang.codes.fuse601_no_counterpart import NoCounterpart
from fusec.lang.source import Span

Models = tuple[tuple[Reference, Place], ...]

RESCALED = ("dare_linear", "dare_ties", "della", "della_linear")
"""Methods that rescale unless they are told not to."""

_RANDOM = (
    "which changes stay is drawn from `seed`, the same for every order of models; mergekit draws from one "
    "generator as it works, so its masks are others"
)
_EQUALS = "of equally large changes at the edge of the density fusec keeps the first; mergekit any"


def read_dropping(
    lookup: Lookup, experts: Models, around: tuple[Place, ...], at: Span, found: Findings
) -> tuple[str, ...] | None:
    """Arguments as they are written in a spec; None, with messages, where there are none."""
    rescaled = lookup.method in RESCALED
    rescale = lookup.value("rescale", around, float(rescaled), "the merge", at)
    densities = _densities(lookup, experts, around, found)
    if densities is None or rescale is None:
        return None
    same = len(set(densities)) == 1
    words = [f"density: {densities[0]!r}" if same else f"density: [{', '.join(map(repr, densities))}]"]
    if lookup.method.startswith("della"):
        epsilon = _one("epsilon", 0.15, lookup, experts, around, found)
        if epsilon is None or not _are_probabilities(epsilon, densities, found):
            return None
        words += [f"epsilon: {epsilon.rest!r}"] if epsilon.rest != 0.15 else []
    if lookup.method.startswith("breadcrumbs"):
        gamma = _one("gamma", 0.01, lookup, experts, around, found)
        if gamma is None:
            return None
        if not 0 <= gamma.rest < 1:
            found.misfit("`gamma` is a share of the changes", gamma.at, "write a share from 0, below 1")
            return None
        words += [f"gamma: {gamma.rest!r}"] if gamma.rest != 0.01 else []
    if bool(rescale.rest) != rescaled:
        words.append("rescale: none" if rescaled else "rescale: l1")
    if min(densities) < 1:
        found.remark(_RANDOM if rescaled else _EQUALS, at)
    return tuple(words)


def _densities(
    lookup: Lookup, experts: Models, around: tuple[Place, ...], found: Findings
) -> tuple[float, ...] | None:
    values = [
        lookup.value("density", (own, *around), 1.0, f"`{model.uri}`", model.at) for model, own in experts
    ]
    known = [value for value in values if value]
    for value in known:
        if not 0 < value.rest <= 1:
            fix = "write a share above 0 and at most 1"
            found.misfit("`density` is a share of the changes", value.at, fix, "the rest is dropped")
            return None
    return tuple(value.rest for value in known) if len(known) == len(experts) else None


def _one(
    name: str, default: float, lookup: Lookup, experts: Models, around: tuple[Place, ...], found: Findings
) -> Value | None:
    """The one value that a parameter has for all models."""
    values = [
        lookup.value(name, (own, *around), default, f"`{model.uri}`", model.at) for model, own in experts
    ]
    known = [value for value in values if value]
    for value in known:
        if value.rest != known[0].rest:
            found.report(
                NoCounterpart(
                    f"`{name}` differs between the models",
                    value.at,
                    f"`{lookup.method}` of fusec has one `{name}` for all experts",
                    f"give all models one `{name}`",
                    other=known[0].at,
                    other_note=f"another {name} here",
                )
            )
            return None
    return known[0] if len(known) == len(experts) else None


def _are_probabilities(epsilon: Value, densities: tuple[float, ...], found: Findings) -> bool:
    odd = [p for p in densities if p < 1 and not (epsilon.rest >= 0 and epsilon.rest < min(p, 1 - p))]
    if odd:
        found.misfit(
            f"`epsilon` does not go with the density {odd[0]:g}",
            epsilon.at,
            f"write less than {min(odd[0], 1 - odd[0]):g}",
            "the probabilities from `density - epsilon` to `density + epsilon` lie between 0 and 1",
        )
    return not odd
