"""Slices as stacks of layers: a stack for `passthrough`, and for other methods a merge of one for each model.

A merge of stacks does what mergekit does slice by slice: layer j of a slice merges layer `first + j` of every
source, embeddings are merged from the models of the first slice, final norm and head from those of the last.
"""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fusec.cli.mergekit.findings import Findings
from fusec.cli.mergekit.inputs import Slice, Source
from fusec.cli.mergekit.methods import Merge, combine
from fusec.cli.mergekit.parameters import Filtered, Lookup, Place
from fusec.cli.mergekit.references import Reference
from fusec.cli.mergekit.yaml_tree import Mapping, Node, Scalar
from fusec.lang.source import Span

ENDS = (
    ("model.embed_tokens.weight", "transformer.wte.weight", "transformer.wpe.weight"),
    ("model.norm.weight", "transformer.ln_f.weight", "lm_head.weight"),
)
"""What stands before and after the layers of most models: a filter that names one of these means it too."""


class Part(NamedTuple):
    """`slice(model, start, stop, scale, only)`."""

    model: Reference
    start: int
    stop: int
    scale: float | None = None
    only: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stack:
    """One `model … = stack { … }`; `title` is what its name is made from."""

    name: str
    title: str
    parts: tuple[Part, ...]
    dtype: str | None = None


def stack_slices(
    slices: Sequence[Slice],
    *,
    name: str,
    method: str,
    base: Reference | None,
    shared: Place,
    dtype: str | None,
    found: Findings,
) -> tuple[Stack | Merge, ...]:
    """What makes the result, which is the last; nothing, with messages, where fusec has no counterpart."""
    places = [place for slice_ in slices for place in (slice_.between, *(s.own for s in slice_.sources))]
    for entry in (entry for place in (shared, *places) for entry in place.values()):
        found.use_all(entry.value)
    for slice_ in slices:
        first = slice_.sources[0]
        for source in slice_.sources:
            if source.stop - source.start != first.stop - first.start:
                reason = "layer by layer, the sources of a slice are merged with each other"
                says = "the ranges of a slice differ in length"
                found.misfit(says, source.at, "give them one length", reason)
                return ()
    if method == "passthrough":
        return _copied(slices, name, base, shared, dtype, found)
    if (len(slices) > 1 or slices[0].sources[0].start) and not _even((shared, *places), found):
        return ()
    columns = _columns(slices, base, found)
    if columns is None or not _alike(columns, slices, found) or not _level(slices, found):
        return ()
    stacks = [_stack(column) for column in columns]
    inputs = [
        Reference(stack.name, True, column[0].at) for stack, column in zip(stacks, columns, strict=True)
    ]
    merged = combine(
        name=name,
        method=method,
        base=inputs[0] if slices[0].base or base else None,
        models=tuple((model, column[0].own) for model, column in zip(inputs, columns, strict=True)),
        around=(slices[0].between, shared),
        dtype=dtype,
        at=slices[0].at,
        found=found,
        segments=_segments(slices) if len(slices) > 1 else (),
    )
    return () if merged is None else (*stacks, merged)


def _segments(slices: Sequence[Slice]) -> list[tuple[int, int]]:
    """The layers of the stack that each slice makes."""
    counts = [slice_.sources[0].stop - slice_.sources[0].start for slice_ in slices]
    return [(sum(counts[:number]), sum(counts[: number + 1])) for number in range(len(counts))]


def _stack(column: Sequence[Source]) -> Stack:
    parts = tuple(Part(source.model, source.start, source.stop) for source in column)
    key = ", ".join(f"{part.model.uri}[{part.start}:{part.stop}]" for part in parts)
    return Stack(key, f"{parts[0].model.uri.rstrip('/').rpartition('/')[2]} layers", parts)


def _columns(slices: Sequence[Slice], base: Reference | None, found: Findings) -> list[list[Source]] | None:
    """The sources of all slices that are one input of the merge, the base first where there is one."""
    columns: list[list[Source]] = []
    for slice_ in slices:
        own = slice_.base or base
        lead = [source for source in slice_.sources if own is not None and source.model.uri == own.uri]
        if own is not None and not lead:
            reason = "its layers are merged with those of the sources, and no range says which they are"
            says = f"the base `{own.uri}` is not among the sources of a slice"
            found.misfit(says, slice_.at, "list it there with its `layer_range`", reason)
            return None
        row = [*lead, *(source for source in slice_.sources if source not in lead)]
        if not columns:
            columns = [[source] for source in row]
        elif len(row) != len(columns):
            reason = "a merge has the same experts in all layers"
            fix = "give all slices as many sources"
            found.lacks("slices of different numbers of models have no counterpart", slice_.at, reason, fix)
            return None
        else:
            for column, source in zip(columns, row, strict=True):
                column.append(source)
    return columns


def _even(places: Sequence[Place], found: Findings) -> bool:
    """Whether no filter names a layer by its number: that is one in the source, not one in the stack."""
    for entry in (entry for place in places for entry in place.values()):
        at = _numbered(entry.value)
        if at is not None:
            reason = "the layers of a slice have other numbers in its sources than in the result"
            says = f"a filter of `{entry.key}` holds a number"
            found.lacks(says, at, reason, "write filters that are about all layers of a slice")
            return False
    return True


def _numbered(node: Node) -> Span | None:
    """Where a filter holds a number."""
    if isinstance(node, Scalar):
        return None
    if isinstance(node, Mapping):
        wanted = node["filter"]
        if wanted and isinstance(wanted.value, Scalar) and any(map(str.isdigit, wanted.value.text)):
            return wanted.value.span
        return None
    inner = (_numbered(item) for item in node.items)
    return next((at for at in inner if at is not None), None)


def _level(slices: Sequence[Slice], found: Findings) -> bool:
    """Whether the sources of a slice give the same layers, as only those share coordinates."""
    for slice_ in slices:
        first = slice_.sources[0]
        for source in slice_.sources:
            if source.start != first.start:
                reason = "layers at different depths have no coordinates in common, even of one model"
                says = "a merge of layers with others than their counterparts has no counterpart"
                found.lacks(says, source.at, reason, "the same range for all sources of a slice", first.at)
                return False
    return True


def _alike(columns: Sequence[Sequence[Source]], slices: Sequence[Slice], found: Findings) -> bool:
    """Whether parameters are the same in every slice, which is what one merge of stacks has."""
    places = [[source.own for source in column] for column in columns]
    places.append([slice_.between for slice_ in slices])
    for first, *others in places:
        for other in others:
            for key in (*first, *(key for key in other if key not in first)):
                one, two = first.get(key), other.get(key)
                if one is None or two is None or one.value.span.text != two.value.span.text:
                    entry = two or one
                    assert entry is not None
                    reason = "slices become one merge of stacks, with one value for all layers"
                    says = f"`{key}` differs between slices"
                    found.lacks(says, entry.at, reason, f"give `{key}` one value")
                    return False
    return True


def _copied(
    slices: Sequence[Slice],
    name: str,
    base: Reference | None,
    shared: Place,
    dtype: str | None,
    found: Findings,
) -> tuple[Stack, ...]:
    lookup = Lookup("passthrough", found)
    parts: list[Part] = []
    for number, slice_ in enumerate(slices):
        source, *more = slice_.sources
        if more:
            says, fix = "`passthrough` takes one model", "leave one, or choose a method that merges"
            found.misfit(says, more[0].model.at, fix, "it only copies")
        scale = lookup.by_filter("scale", (source.own, slice_.between, shared), 1.0, source.at)
        ends = (ENDS[0] if number == 0 else ()) + (ENDS[1] if number == len(slices) - 1 else ())
        made = _part(source, scale, ends, found) if scale else None
        if made is not None:
            parts.append(made)
    lookup.unasked([*(slice_.between for slice_ in slices), shared])
    lookup.unasked([source.own for slice_ in slices for source in slice_.sources])
    if len(parts) < len(slices):
        return ()
    own = slices[0].base or base
    if own is not None and own.uri != parts[0].model.uri:
        reason = "a stack has the configuration of the model of its first slice"
        says = "a stack with the configuration of another model has no counterpart"
        found.lacks(says, own.at, reason, "leave out `base_model`", parts[0].model.at)
        return ()
    uri = parts[0].model.uri
    found.remark(f"configuration and tokenizer are those of the first slice's model, `{uri}`", slices[0].at)
    return (Stack(name, name or "merged", tuple(parts), dtype),)


def _part(source: Source, scale: Filtered, ends: Sequence[str], found: Findings) -> Part | None:
    """The slice with its scale, where that is one number for some tensors of layers and none for others."""
    sizes = {rule.points[0] for rule in scale.rules} | ({scale.rest} if scale.rest != 1 else set())
    if not sizes:
        return Part(source.model, source.start, source.stop)
    filters = tuple(rule.filter for rule in scale.rules)
    if len(sizes) > 1 or (filters and scale.rest != 1):
        reason = "a slice has one `scale`, for all its tensors or for those that `only` names"
        says = "`scale` differs between tensors"
        found.lacks(says, scale.at, reason, "one scale beside 1")
        return None
    if any(not filters or any(part in name for part in filters) for name in ends):
        reason = "`scale` of fusec is about layers; here it also scales what stands before or after them"
        says = "a scale of embeddings, final norm or head has no counterpart"
        found.lacks(says, scale.at, reason, "filters that name tensors of layers")
        return None
    only = tuple(f"*{glob.escape(part)}*" for part in filters)
    return Part(source.model, source.start, source.stop, sizes.pop(), only)
