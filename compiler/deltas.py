"""Deltas as values: the type of one that comes from outside, and whether one fits a base."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from math import prod

from fusec.compiler.facts import EMBEDDINGS, TIED_HEADS, DeltaFacts
from fusec.compiler.slots import Input
from fusec.compiler.step import Site
from fusec.lang.codes.fuse201_different_space import DifferentSpace
from fusec.lang.codes.fuse202_ancestor_unknown import AncestorUnknown
from fusec.lang.codes.fuse203_tokenizers_disagree import TokenizersDisagree
from fusec.lang.source import Span
from fusec.lang.types import DeltaType, ModelType, Space

Shapes = Mapping[str, tuple[int, ...]]


def hub_address(root: str) -> str:
    """An ancestor as cards and configurations name it, in the spelling of specs."""
    plain = root and ":" not in root and not root.startswith((".", "/", "~"))
    return f"hf:{root}" if plain else root


def delta_type(facts: DeltaFacts) -> tuple[DeltaType, Shapes]:
    """The type of a delta source, and the tensors of its space.

    Its space is what it changes, which is a part of the space of any base it fits.
    """
    shapes = {part.name: part.shape for part in facts.parts}
    params, digest = 0, sha256()
    for part in sorted(facts.parts, key=lambda part: part.name):
        params += prod(part.shape)
        digest.update(f"{part.name}\0{','.join(map(str, part.shape))}\n".encode())
    fingerprint = digest.hexdigest()
    space = Space(
        name=f"{'adapter' if facts.rank else 'delta'}_{fingerprint[:6]}",
        fingerprint=fingerprint,
        tensors=len(facts.parts),
        params=params,
        bytes=facts.bytes,
        vocab=0,
    )
    hint = hub_address(facts.root_hint or "")
    return DeltaType(space, facts.dtype, facts.uri, root="", hint=hint, rank=facts.rank), shapes


def check_delta_fits(site: Site, base: Input, delta: Input, at: Span) -> None:
    """Report the first reason why `delta`, written at `at`, cannot be added to `base`."""
    a, b = base.type, delta.type
    assert isinstance(a, ModelType)
    assert isinstance(b, DeltaType)
    label, base_label = site.label(delta), site.label(base)
    misfit = _misfit(site, a, b, base_label)
    known = {a.identity, a.root or a.identity}
    if misfit or (b.root and b.root not in known):
        differs = DifferentSpace(
            other=label,
            other_at=at,
            other_is=_says(b) if misfit else f"comes from {b.root}",
            base=base_label,
            base_at=site.at("base"),
            base_is=str(a.space) if misfit else f"is {a.identity}",
            detail=misfit,
            reason="delta" if misfit else "root",
        )
        site.report(differs)
    elif a.tokenizer and b.tokenizer and a.tokenizer != b.tokenizer:
        site.report(
            TokenizersDisagree(
                other=label,
                other_at=at,
                other_is=f"tokenizer {b.tokenizer[:8]}",
                base=base_label,
                base_at=site.at("base"),
                base_is=f"tokenizer {a.tokenizer[:8]}",
            )
        )
    elif not b.root and (not b.hint or b.hint not in {_unpinned(name) for name in known}):
        site.report(
            AncestorUnknown(
                other=label,
                other_at=at,
                base=base_label,
                base_at=site.at("base"),
                annotation=f"delta {label}: Delta[_, root: {base_label}] from …",
                names=b.hint,
            )
        )


def _misfit(site: Site, base: ModelType, delta: DeltaType, base_label: str) -> str:
    """The first tensor of a delta that the base has no counterpart for; empty where every one has."""
    if delta.space.fingerprint == base.space.fingerprint:
        return ""
    has, changes = site.shapes_of(base.space.fingerprint), site.shapes_of(delta.space.fingerprint)
    if has is None or changes is None:
        return ""
    tied = TIED_HEADS.isdisjoint(has)
    for name, shape in sorted(changes.items()):
        if name not in has:
            head = " of its own: its head is its embedding" if name in TIED_HEADS and tied else ""
            return f"`{base_label}` has no tensor `{name}`{head}"
        if has[name] != shape and has[name] != (0, *shape[1:]):
            return f"`{name}` is {list(shape)} here and {list(has[name])} in `{base_label}`"
        if tied and delta.rank and name.endswith(EMBEDDINGS):
            return f"`{name}` is also the head of `{base_label}`, and an adapter changes only one of the two"
    return ""


def _says(delta: DeltaType) -> str:
    rank = f" by factors of rank {delta.rank}" if delta.rank else ""
    return f"changes {delta.space.tensors} tensor{'s' * (delta.space.tensors != 1)}{rank}"


def _unpinned(identity: str) -> str:
    return identity.partition("@")[0] if identity.startswith("hf:") else identity
