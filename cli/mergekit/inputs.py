"""The models and slices that a configuration lists, with what stands beside each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from fusec.cli.mergekit.findings import Findings
from fusec.cli.mergekit.layers import count_layers
from fusec.cli.mergekit.parameters import Place, read_place
from fusec.cli.mergekit.references import Folders, Reference
from fusec.cli.mergekit.vocabulary import SLICE, SOURCE
from fusec.cli.mergekit.yaml_tree import Entry, Mapping, Node, Scalar, Sequence, is_null
from fusec.lang.source import Span


@dataclass(frozen=True)
class Input:
    """A model of the merge with the parameters written beside it."""

    model: Reference
    own: Place


class Source(NamedTuple):
    """A model of a slice with the parameters beside it; `at` is the place of its `layer_range`."""

    model: Reference
    own: Place
    start: int
    stop: int
    at: Span


@dataclass(frozen=True)
class Slice:
    """The sources of one slice, the parameters around them, and a base of its own."""

    sources: tuple[Source, ...]
    between: Place
    base: Reference | None
    at: Span


def read_slices(
    entry: Entry, model: Callable[[Node], Reference | None], found: Findings
) -> tuple[Slice, ...] | None:
    """Every slice of a configuration; None, with messages, where one cannot be read."""
    read = [_slice(item, model, found) for item in items_of(entry, found)]
    slices = tuple(one for one in read if one is not None)
    return slices if slices and len(slices) == len(read) else None


def _slice(item: Node, model: Callable[[Node], Reference | None], found: Findings) -> Slice | None:
    fields = found.fields(item, SLICE, "a slice")
    between = read_place(fields["parameters"].value, found) if "parameters" in fields else {}
    own = fields.get("base_model")
    base = model(own.value) if own is not None and not is_null(own.value) else None
    entry = fields.get("sources")
    if entry is None:
        if isinstance(item, Mapping):
            found.misfit("the slice has no `sources`", item.span, "add `sources:` with one `model:` each")
        return None
    read = [_source(node, model, found) for node in items_of(entry, found)]
    sources = tuple(one for one in read if one is not None)
    if not sources or len(sources) < len(read):
        return None
    return Slice(sources, between, base, entry.at)


def _source(item: Node, model: Callable[[Node], Reference | None], found: Findings) -> Source | None:
    keys = found.fields(item, SOURCE, "a source")
    if not isinstance(item, Mapping):
        return None
    one, bounds = read_input(item, keys, model, found), _range(item, keys.get("layer_range"), found)
    return Source(one.model, one.own, *bounds, keys["layer_range"].value.span) if one and bounds else None


def _range(item: Node, entry: Entry | None, found: Findings) -> tuple[int, int] | None:
    if entry is None:
        found.misfit("a source has no `layer_range`", item.span, "add `layer_range: [first, end]`")
        return None
    bounds = entry.value.items if isinstance(entry.value, Sequence) else ()
    texts = [bound.text for bound in bounds if isinstance(bound, Scalar)]
    if len(texts) != 2 or len(bounds) != 2 or not all(text.isascii() and text.isdigit() for text in texts):
        found.misfit("`layer_range` is two numbers", entry.value.span, "write `layer_range: [first, end]`")
        found.use_all(entry.value)
        return None
    first, end = (int(text) for text in texts)
    if first >= end:
        fix = "write the first layer and the one past the last"
        found.misfit("`layer_range` holds no layer", entry.value.span, fix)
        return None
    return first, end


def is_whole(slices: tuple[Slice, ...], folders: Folders) -> bool:
    """Whether this is one slice over all layers of every source: whole models, said in another way."""
    if len(slices) > 1:
        return False
    counts = [
        None if source.model.made else count_layers(source.model, folders) for source in slices[0].sources
    ]
    return all(
        (source.start, source.stop) == (0, count)
        for source, count in zip(slices[0].sources, counts, strict=True)
    )


def items_of(entry: Entry, found: Findings) -> tuple[Node, ...]:
    """The entries of a list; none, with a message, where that is no list."""
    if isinstance(entry.value, Sequence) and entry.value.items:
        return entry.value.items
    found.misfit(f"`{entry.key}` is a list", entry.at, "start each entry with `- `")
    found.use_all(entry.value)
    return ()


def read_input(
    item: Node, fields: dict[str, Entry], model: Callable[[Node], Reference | None], found: Findings
) -> Input | None:
    """The model that an entry with these keys names; None, with a message, where it names none."""
    own = read_place(fields["parameters"].value, found) if "parameters" in fields else {}
    if "model" not in fields:
        found.misfit("an entry names no model", item.span, "add `model:`")
        return None
    reference = model(fields["model"].value)
    return Input(reference, own) if reference else None
