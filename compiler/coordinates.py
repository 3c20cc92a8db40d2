"""Whether two models, or a model and a delta, may be combined: one space, one ancestor, one tokenizer."""

from __future__ import annotations

from fusec.compiler.deltas import check_delta_fits
from fusec.compiler.slots import Input
from fusec.compiler.step import Site
from fusec.lang.codes.fuse201_different_space import DifferentSpace
from fusec.lang.codes.fuse202_ancestor_unknown import AncestorUnknown
from fusec.lang.codes.fuse203_tokenizers_disagree import TokenizersDisagree
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
    if a.space.fingerprint != b.space.fingerprint:
        site.report(_different(site, base, other, at, str(b.space), str(a.space), "space"))
    elif b.root and not {b.root, b.identity} & {a.identity, a.root or a.identity}:
        site.report(_different(site, base, other, at, f"comes from {b.root}", f"is {a.identity}", "root"))
    elif not b.root and b.identity != a.identity:
        name = site.label(other)
        site.report(
            AncestorUnknown(
                other=name,
                other_at=at,
                base=site.label(base),
                base_at=site.at("base"),
                annotation=f"model {name}: Model[_, _, root: {site.label(base)}] from …",
            )
        )
    elif a.tokenizer and b.tokenizer and a.tokenizer != b.tokenizer:
        site.report(
            TokenizersDisagree(
                other=site.label(other),
                other_at=at,
                other_is=f"tokenizer {b.tokenizer[:8]}",
                base=site.label(base),
                base_at=site.at("base"),
                base_is=f"tokenizer {a.tokenizer[:8]}",
                adds=site.tokenizer_adds(a.tokenizer, b.tokenizer),
            )
        )


def _different(
    site: Site, base: Input, other: Input, at: Span, other_is: str, base_is: str, reason: str
) -> DifferentSpace:
    return DifferentSpace(
        other=site.label(other),
        other_at=at,
        other_is=other_is,
        base=site.label(base),
        base_at=site.at("base"),
        base_is=base_is,
        reason=reason,
    )
