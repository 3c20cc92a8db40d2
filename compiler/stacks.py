"""Whether ranges of layers make one model, and what that model descends from: the type rule of `stack`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from fusec.compiler.capabilities import need
from fusec.compiler.layers import NoLayers, Range, Shape, layers_of
from fusec.compiler.methods.slice import Slice
from fusec.compiler.step import Site
from fusec.lang.codes.fuse201_different_space import DifferentSpace
from fusec.lang.codes.fuse203_tokenizers_disagree import TokenizersDisagree
from fusec.lang.codes.fuse212_out_of_range import OutOfRange
from fusec.lang.codes.fuse213_no_layers import NoLayers as LayersUnknown
from fusec.lang.types import ModelType


def range_of(site: Site, slice_: Slice, index: int) -> Range | None:
    """The range that a slice names, with the tensors of its model; None where there is none, with a report.

    Of a broken model somebody else has spoken.
    """
    type_, at, label = slice_.model.type, site.at("layers", index), site.label(slice_.model)
    if not need(site, slice_.model, "model", at, "stack", at) or not isinstance(type_, ModelType):
        return None
    shapes, found = site.shapes_of(type_.space.fingerprint), ""
    try:
        layers = layers_of(shapes) if shapes is not None else None
    except NoLayers as problem:
        layers, found = None, str(problem)
    if shapes is None or layers is None:
        site.report(LayersUnknown(label, at, found, site.declared(slice_.model)))
        return None
    if not slice_.start < slice_.stop <= layers.count:
        site.report(
            OutOfRange(
                at=at,
                what=f"the range of `{label}`",
                got=f"{slice_.start} up to {slice_.stop}",
                allowed=f"at least one of its layers, which go from 0 up to {layers.count}",
            )
        )
        return None
    range_ = Range(shapes, layers, slice_.start, slice_.stop)
    return range_ if _scales(site, slice_, range_, index) else None


def _scales(site: Site, slice_: Slice, range_: Range, index: int) -> bool:
    """Whether every pattern of `only` names a tensor that `scale` multiplies; reports one that does not."""
    at = site.at("layers", index)
    if slice_.only and slice_.scale is None:
        site.report(OutOfRange(at=at, what="only", got="without a `scale`", allowed="beside a `scale`"))
        return False
    names = [range_.layers.name(n, rest) for n, layer in range_.inside.items() for rest in layer]
    for pattern in slice_.only:
        if not any(fnmatchcase(name, pattern) for name in names):
            got, allowed = f"`{pattern}`", f"a pattern of names such as `{min(names)}`"
            site.report(OutOfRange(at=at, what="only", got=got, allowed=allowed))
            return False
    return True


def fits(site: Site, slices: Sequence[Slice], ranges: Sequence[Range], types: Sequence[ModelType]) -> bool:
    """Whether all layers fit on each other and both ends speak of one vocabulary; reports why not."""
    for index, slice_ in enumerate(slices):
        detail = _misfit(ranges[0], ranges[index], last=index == len(slices) - 1)
        if detail:
            site.report(
                DifferentSpace(
                    other=site.label(slice_.model),
                    other_at=site.at("layers", index),
                    other_is=str(types[index].space),
                    base=site.label(slices[0].model),
                    base_at=site.at("layers", 0),
                    base_is=str(types[0].space),
                    detail=detail,
                    reason="layers",
                )
            )
            return False
    one, other = types[0].tokenizer, types[-1].tokenizer
    if one and other and one != other:
        site.report(
            TokenizersDisagree(
                other=site.label(slices[-1].model),
                other_at=site.at("layers", len(slices) - 1),
                other_is=f"tokenizer {other[:8]}",
                base=site.label(slices[0].model),
                base_at=site.at("layers", 0),
                base_is=f"tokenizer {one[:8]}",
                adds=site.tokenizer_adds(one, other),
            )
        )
        return False
    return True


def _misfit(first: Range, other: Range, *, last: bool) -> str:
    """What keeps the layers of `other` from standing on those of `first`; empty where nothing does."""
    if other.layers.prefix != first.layers.prefix:
        return f"its layers are `{other.layers.prefix}`, not `{first.layers.prefix}`"
    wanted = first.inside[first.start]
    for number, layer in other.inside.items():
        detail = _difference(wanted, layer, f"layer {first.start} of the first model", f"layer {number}")
        if detail:
            return detail
    return _difference(first.ends, other.ends, "the first model", "the last one") if last else ""


def _difference(one: Mapping[str, Shape], other: Mapping[str, Shape], here: str, there: str) -> str:
    for name in sorted(one.keys() | other.keys()):
        a, b = one.get(name), other.get(name)
        if a is None or b is None:
            return f"`{name}` is in {here if b is None else there} alone"
        if a != b:
            return f"`{name}` is {list(a)} in {here} and {list(b)} in {there}"
    return ""


def ancestry(
    name: str, slices: Sequence[Slice], ranges: Sequence[Range], types: Sequence[ModelType]
) -> tuple[str, str]:
    """Root and identity of a stack called `name`.

    A stack descends from the same stack of the roots of its models: there every weight has its counterpart.
    Where all layers of one root stand in their own places, that is the root itself.
    """
    roots = [type_.root or type_.identity for type_ in types]
    in_place = [range_.start for range_ in ranges] == [0, *(range_.stop for range_ in ranges[:-1])]
    whole = ranges[-1].stop == ranges[-1].layers.count
    if in_place and whole and len(set(roots)) == 1 and all(slice_.scale is None for slice_ in slices):
        return roots[0], f"%{name}"
    return _stacked(roots, slices), _stacked([type_.identity for type_ in types], slices)


def _stacked(models: Sequence[str], slices: Sequence[Slice]) -> str:
    parts = []
    for model, slice_ in zip(models, slices, strict=True):
        only = f" in {', '.join(sorted(set(slice_.only)))}" if slice_.only else ""
        scaled = "" if slice_.scale is None else f" * {slice_.scale!r}{only}"
        parts.append(f"{model}[{slice_.start}:{slice_.stop}]{scaled}")
    return f"stack({', '.join(parts)})"
