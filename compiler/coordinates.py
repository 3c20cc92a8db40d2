"""Whether two models, or a model and a delta, may be combined: one space, one ancestor, one tokenizer."""

from __future__ import annotations

from fusec.compiler.deltas import check_delta_fits
from fusec.compiler.slots import Input
from fusec.compiler.step import Site
from fusec.compiler.vocabulary import only_rows_differ
from fusec.lang.codes.fuse201_different_space import DifferentSpace
from fusec.lang.codes.fuse202_ancestor_unknown import AncestorUnknown
from fusec.lang.codes.fuse203_tokenizers_disagree import TokenizersDisagree
from fusec.lang.codes.fuse212_out_of_range import OutOfRange
from fusec.lang.source import Span
from fusec.lang.types import DeltaType, ModelType


def check_same_coordinates(site: Site, base: Input, other: Input, at: Span) -> None:
    """Report the first reason why `other`, written at `at`, cannot be combined with `base`."""
    a, b = base.type, other.type
    if isinstance(a, ModelType) and isinstance(b, DeltaType):
        check_delta_fits(site, base, other, at)
        return
    if not isinstance(a, ModelType) or not isinstance(b, ModelType):
        return
    unlike = a.space.fingerprint != b.space.fingerprint
    renumbered = bool(a.tokenizer and b.tokenizer) and a.tokenizer != b.tokenizer
    if unlike and not (renumbered and only_rows_differ(site, a, b)):
        site.report(_different(site, base, other, at, str(b.space), str(a.space), "space"))
    elif _ancestor_differs(a, b):
        site.report(_different(site, base, other, at, f"comes from {b.root}", f"is {a.identity}", "root"))
    elif not unlike and _ancestor_unknown(a, b):
        site.report(_unknown(site, base, other, at))
    elif renumbered:
        site.report(
            TokenizersDisagree(
                other=site.label(other),
                other_at=at,
                other_is=_numbers(b),
                base=site.label(base),
                base_at=site.at("base"),
                base_is=_numbers(a),
                adds=site.tokenizer_adds(a.tokenizer, b.tokenizer),
            )
        )


def check_same_model_but_tokens(site: Site, model: Input, donor: Input, at: Span) -> None:
    """Report the first reason why rows of `donor`, written at `at`, mean nothing in `model`."""
    a, b = model.type, donor.type
    if not isinstance(a, ModelType) or not isinstance(b, ModelType):
        return
    known = site.shapes_of(a.space.fingerprint) and site.shapes_of(b.space.fingerprint)
    if a.space.fingerprint != b.space.fingerprint and known and not only_rows_differ(site, a, b):
        site.report(_different(site, model, donor, at, str(b.space), str(a.space), "space", "model"))
    elif not b.tokenizer:
        got = f"`{site.label(donor)}`, a model without a tokenizer"
        allowed = "models that say which row belongs to which token"
        site.report(OutOfRange(at=at, what="a donor", got=got, allowed=allowed))
    elif not _lineage(a) & _lineage(b):
        is_, comes = f"comes from {a.root or a.identity}", f"comes from {b.root or b.identity}"
        site.report(_different(site, model, donor, at, comes, is_, "root", "model"))


def _lineage(model: ModelType) -> set[str]:
    return {model.identity, model.root} - {""}


def _ancestor_differs(base: ModelType, other: ModelType) -> bool:
    return bool(other.root) and not {other.root, other.identity} & {base.identity, base.root or base.identity}


def _ancestor_unknown(base: ModelType, other: ModelType) -> bool:
    return not other.root and other.identity != base.identity


def _numbers(model: ModelType) -> str:
    rows = f", {model.space.vocab} rows" if model.space.vocab else ""
    return f"tokenizer {model.tokenizer[:8]}{rows}"


def _unknown(site: Site, base: Input, other: Input, at: Span) -> AncestorUnknown:
    name = site.label(other)
    return AncestorUnknown(
        other=name,
        other_at=at,
        base=site.label(base),
        base_at=site.at("base"),
        annotation=f"model {name}: Model[_, _, root: {site.label(base)}] from …",
    )


def _different(
    site: Site,
    base: Input,
    other: Input,
    at: Span,
    other_is: str,
    base_is: str,
    reason: str,
    slot: str = "base",
) -> DifferentSpace:
    return DifferentSpace(
        other=site.label(other),
        other_at=at,
        other_is=other_is,
        base=site.label(base),
        base_at=site.at(slot),
        base_is=base_is,
        detail=_first_difference(site, base, other) if reason == "space" else "",
        reason=reason,
    )


def _first_difference(site: Site, base: Input, other: Input) -> str:
    """The first tensor by name that two models do not share, and how many there are; empty if unknown."""
    assert isinstance(base.type, ModelType) and isinstance(other.type, ModelType)
    a, b = (site.shapes_of(kind.space.fingerprint) for kind in (base.type, other.type))
    if a is None or b is None:
        return ""
    names = sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))
    if not names:
        return ""
    first, more = names[0], f", and {len(names) - 1} more" * (len(names) > 1)
    if first in a and first in b:
        ours, theirs = (" x ".join(map(str, shapes[first])) for shapes in (a, b))
        return f"`{first}` is {theirs} in `{site.label(other)}` and {ours} in `{site.label(base)}`{more}"
    return f"`{first}` is in `{site.label(base if first in a else other)}` alone{more}"
