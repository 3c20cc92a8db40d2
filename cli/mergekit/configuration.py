"""One document of a configuration, read into the merge that fusec would do for it."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as Map
from dataclasses import dataclass

from fusec.cli.mergekit.findings import Findings
from fusec.cli.mergekit.layers import count_layers
from fusec.cli.mergekit.methods import Merge, combine
from fusec.cli.mergekit.parameters import Place, read_place
from fusec.cli.mergekit.references import Folders, Reference, read_reference
from fusec.cli.mergekit.surroundings import read_dtype, read_tokenizer, refuse_chat_template
from fusec.cli.mergekit.vocabulary import METHODS, MODEL, NEAREST, SLICE, SOURCE, TOP
from fusec.cli.mergekit.yaml_tree import Entry, Mapping, Node, Scalar, Sequence, is_null
from fusec.lang.codes.fuse602_unknown_setting import UnknownSetting
from fusec.lang.codes.fuse603_misfit import Misfit
from fusec.lang.source import Span

WHOLE, SLICED, PARTED = "models", "slices", "modules"


@dataclass(frozen=True)
class Input:
    """A model of the merge with the parameters written beside it."""

    model: Reference
    own: Place


@dataclass(frozen=True)
class Inputs:
    """The models in their order; `between` are the parameters of the slice around them."""

    models: tuple[Input, ...]
    between: Place
    base: Entry | None
    at: Span


def read_configuration(
    node: Node, folders: Folders, documents: Map[str, bool], found: Findings
) -> Merge | None:
    """The merge that a document describes; None, with messages, where fusec cannot do it.

    `documents` are the names in the file, true for those of documents above this one.
    """
    if not isinstance(node, Mapping):
        found.use_all(node)
        found.misfit("a merge configuration is a mapping of keys", node.span, "start with `merge_method:`")
        return None
    keys = {k: e for k, e in found.fields(node, TOP, "the configuration").items() if not is_null(e.value)}

    def model(node: Node) -> Reference | None:
        return read_reference(node, folders, documents, found)

    method = _method(keys.get("merge_method"), node.span, found)
    inputs = _inputs(keys, node.span, model, folders, found)
    shared = read_place(keys["parameters"].value, found) if "parameters" in keys else {}
    base = _base(keys.get("base_model"), inputs, model, found)
    name = _name(keys.get("name"), documents, found)
    at = keys["merge_method"].at if method else node.span
    dtype = read_dtype(keys.get("dtype"), keys.get("out_dtype"), method, at, found)
    donor = base or (inputs.models[0].model if inputs and inputs.models else None)
    read_tokenizer(keys.get("tokenizer_source"), keys.get("tokenizer"), base, donor, model, found)
    refuse_chat_template(keys.get("chat_template"), found)
    if method is None or inputs is None:
        # Values have a meaning only for a known method and known models; their names were looked at.
        for key in (WHOLE, SLICED, PARTED, "parameters"):
            if key in keys:
                found.use_all(keys[key].value)
        return None
    return combine(
        name=name,
        method=method,
        base=base,
        models=tuple((one.model, one.own) for one in inputs.models),
        around=(inputs.between, shared),
        dtype=dtype,
        at=inputs.at,
        found=found,
    )


def _method(entry: Entry | None, document: Span, found: Findings) -> str | None:
    if entry is None:
        at = document.source.span(document.start, document.start + 1)
        found.misfit("`merge_method` is missing", at, f"add it: {', '.join(METHODS)}")
        return None
    if not isinstance(entry.value, Scalar):
        found.misfit("`merge_method` is a word", entry.value.span, f"one of {', '.join(METHODS)}")
        found.use_all(entry.value)
        return None
    word, at = entry.value.text, entry.value.span
    if word in NEAREST:
        says = f"`{word}` has no counterpart yet"
        found.lacks(says, at, f"`merge` of fusec does {', '.join(METHODS)}", f"the nearest: {NEAREST[word]}")
    elif word not in METHODS:
        known = (*METHODS, *NEAREST)
        found.report(UnknownSetting("mergekit", "merge method", word, at, known))
    return word if word in METHODS else None


def _name(entry: Entry | None, documents: Map[str, bool], found: Findings) -> str:
    if entry is None:
        return ""
    if not isinstance(entry.value, Scalar) or not entry.value.text.strip():
        found.misfit("`name` is a word", entry.value.span, "write a word")
        found.use_all(entry.value)
        return ""
    if documents.get(entry.value.text):
        found.misfit(
            f"another document is called `{entry.value.text}`", entry.value.span, "choose another name"
        )
    return entry.value.text


def _base(
    entry: Entry | None, inputs: Inputs | None, model: Callable[[Node], Reference | None], found: Findings
) -> Reference | None:
    base = model(entry.value) if entry else None
    own = inputs.base if inputs else None
    if own is None:
        return base
    of_slice = model(own.value)
    if base and of_slice and base.uri != of_slice.uri:
        reason = "configuration and tokenizer would come from one, the weights from the other"
        says = "the slice has another base than the whole merge"
        found.lacks(says, own.value.span, reason, "name one base", base.at)
    return of_slice


def _inputs(
    keys: dict[str, Entry],
    document: Span,
    model: Callable[[Node], Reference | None],
    folders: Folders,
    found: Findings,
) -> Inputs | None:
    given = [keys[key] for key in (WHOLE, SLICED, PARTED) if key in keys]
    if not given:
        at = document.source.span(document.start, document.start + 1)
        found.misfit("the configuration names no models", at, "add `models:` with one `model:` each")
        return None
    first, *others = given
    for other in others:
        says = f"`{other.key}` stands beside `{first.key}`"
        found.report(Misfit(says, other.at, "keep one of them", "a merge has one of them", "", first.at))
        found.use_all(other.value)
    match first.key:
        case "models":
            return _whole(first, model, found)
        case "slices":
            return _sliced(first, model, folders, found)
    found.use_all(first.value)
    found.lacks(
        "`modules` has no counterpart yet",
        first.at,
        "a merge of fusec treats all parts of a model alike",
        "`models`, where one method serves all parts; `keep` leaves parts to the base",
    )
    return None


def _whole(entry: Entry, model: Callable[[Node], Reference | None], found: Findings) -> Inputs | None:
    models = []
    for item in _items(entry, found):
        fields = found.fields(item, MODEL, "an entry of `models`")
        if isinstance(item, Mapping):
            models.append(_input(item, fields, model, found))
    return _all(models, entry, {}, None)


def _sliced(
    entry: Entry, model: Callable[[Node], Reference | None], folders: Folders, found: Findings
) -> Inputs | None:
    slices = _items(entry, found)
    if len(slices) > 1:
        found.use_all(entry.value)
        found.lacks(
            "a stack of slices has no counterpart yet",
            entry.at,
            "a merge of fusec keeps the layers of its base, each where it is",
            "merge whole models: one slice from 0 to the last layer, or `models`",
            slices[1].span,
        )
        return None
    if not slices:
        return None
    fields = found.fields(slices[0], SLICE, "a slice")
    sources = fields.get("sources")
    if sources is None:
        found.misfit("the slice has no `sources`", slices[0].span, "add `sources:` with one `model:` each")
        return None
    models = []
    for item in _items(sources, found):
        keys = found.fields(item, SOURCE, "a source")
        if isinstance(item, Mapping):
            one = _input(item, keys, model, found)
            models.append(one)
            _check_whole(item, keys.get("layer_range"), one.model if one else None, folders, found)
    between = read_place(fields["parameters"].value, found) if "parameters" in fields else {}
    base = fields.get("base_model")
    return _all(models, sources, between, None if base is None or is_null(base.value) else base)


def _items(entry: Entry, found: Findings) -> tuple[Node, ...]:
    if isinstance(entry.value, Sequence) and entry.value.items:
        return entry.value.items
    found.misfit(f"`{entry.key}` is a list", entry.at, "start each entry with `- `")
    found.use_all(entry.value)
    return ()


def _input(
    item: Node, fields: dict[str, Entry], model: Callable[[Node], Reference | None], found: Findings
) -> Input | None:
    own = read_place(fields["parameters"].value, found) if "parameters" in fields else {}
    if "model" not in fields:
        found.misfit("an entry names no model", item.span, "add `model:`")
        return None
    reference = model(fields["model"].value)
    return Input(reference, own) if reference else None


def _all(models: list[Input | None], entry: Entry, between: Place, base: Entry | None) -> Inputs | None:
    read = tuple(one for one in models if one is not None)
    return Inputs(read, between, base, entry.at) if read and len(read) == len(models) else None


def _check_whole(
    item: Node, entry: Entry | None, model: Reference | None, folders: Folders, found: Findings
) -> None:
    """Reports a range that is not all layers of its model."""
    if entry is None:
        found.misfit("a source has no `layer_range`", item.span, "add `layer_range: [first, end]`")
        return
    bounds = entry.value.items if isinstance(entry.value, Sequence) else ()
    texts = [bound.text for bound in bounds if isinstance(bound, Scalar)]
    if len(texts) != 2 or len(bounds) != 2 or not all(text.isascii() and text.isdigit() for text in texts):
        found.misfit("`layer_range` is two numbers", entry.value.span, "write `layer_range: [first, end]`")
        found.use_all(entry.value)
        return
    if model is None:
        return
    first, end = map(int, texts)
    layers = None if model.made else count_layers(model, folders)
    if layers is None:
        found.lacks(
            "it is unknown whether this range is the whole model",
            entry.value.span,
            f"nothing on this machine says how many layers `{model.uri}` has",
            "write `models:` in place of `slices:` if it is, or fetch the model's config.json first",
        )
    elif (first, end) != (0, layers):
        found.lacks(
            "a part of a model's layers has no counterpart yet",
            entry.value.span,
            f"`{model.uri}` has {layers} layers, and a merge of fusec keeps all of them",
            f"merge whole models: `layer_range: [0, {layers}]`",
        )
