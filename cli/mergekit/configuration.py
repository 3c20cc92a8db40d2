"""One document of a configuration, read into the steps that fusec would do for it."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as Map
from dataclasses import dataclass

from fusec.cli.mergekit.alignment import Transplant, Union, align, require_merged
from fusec.cli.mergekit.findings import Findings
from fusec.cli.mergekit.inputs import Input, Slice, is_whole, items_of, read_input, read_slices
from fusec.cli.mergekit.methods import Merge, combine
from fusec.cli.mergekit.parameters import Place, read_place
from fusec.cli.mergekit.references import Folders, Reference, read_reference
from fusec.cli.mergekit.stacks import Stack, stack_slices
from fusec.cli.mergekit.surroundings import read_dtype, refuse_chat_template
from fusec.cli.mergekit.tokenizers import read_tokenizer
from fusec.cli.mergekit.vocabulary import METHODS, MODEL, TOP
from fusec.cli.mergekit.yaml_tree import Entry, Mapping, Node, Scalar, is_null
from fusec.lang.codes.fuse602_unknown_setting import UnknownSetting
from fusec.lang.codes.fuse603_misfit import Misfit
from fusec.lang.source import Span

WHOLE, SLICED, PARTED = "models", "slices", "modules"


@dataclass(frozen=True)
class Inputs:
    """The models in their order; `between` are the parameters of the slice around them.

    `slices` are those of a configuration that takes parts of models; `models` is then its first slice.
    """

    models: tuple[Input, ...]
    between: Place
    at: Span
    slices: tuple[Slice, ...] = ()
    bases: tuple[Reference, ...] = ()


def read_configuration(
    node: Node, folders: Folders, documents: Map[str, bool], found: Findings
) -> tuple[Merge | Stack | Transplant | Union, ...]:
    """What a document describes, the result last; nothing, with messages, where fusec cannot do it.

    `documents` are the names in the file, true for those of documents above this one.
    """
    if not isinstance(node, Mapping):
        found.use_all(node)
        found.misfit("a merge configuration is a mapping of keys", node.span, "start with `merge_method:`")
        return ()
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
    setting = read_tokenizer(keys.get("tokenizer_source"), keys.get("tokenizer"), base, donor, model, found)
    refuse_chat_template(keys.get("chat_template"), found)
    if method is None or inputs is None:
        # Values have a meaning only for a known method and known models; their names were looked at.
        for key in (WHOLE, SLICED, PARTED, "parameters"):
            if key in keys:
                found.use_all(keys[key].value)
        return ()
    if inputs.slices:
        slices = inputs.slices
        if setting is not None:
            reason, fix = "fusec aligns the tokenizers of whole models", "merge the models first, then slice"
            found.lacks("a tokenizer beside slices has no counterpart yet", slices[0].at, reason, fix)
        return stack_slices(
            slices, name=name, method=method, base=base, shared=shared, dtype=dtype, found=found
        )
    merge = combine(
        name=name,
        method=method,
        base=base,
        models=tuple((one.model, one.own) for one in inputs.models),
        around=(inputs.between, shared),
        dtype=dtype,
        at=inputs.at,
        found=found,
    )
    if merge is None or (setting is not None and not require_merged(setting, merge, found)):
        return ()
    return (merge,) if setting is None else align(merge, setting)


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
    if word in METHODS:
        return word
    found.report(UnknownSetting("mergekit", "merge method", word, at, tuple(METHODS)))
    return None


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
    for of_slice in inputs.bases if inputs else ():
        if base and base.uri != of_slice.uri:
            reason = "configuration and tokenizer would come from one, the weights from the other"
            says = "the slice has another base than the whole merge"
            found.lacks(says, of_slice.at, reason, "name one base", base.at)
    return base or next(iter(inputs.bases if inputs else ()), None)


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
            slices = read_slices(first, model, found)
            return _of_slices(slices, folders) if slices else None
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
    for item in items_of(entry, found):
        fields = found.fields(item, MODEL, "an entry of `models`")
        if isinstance(item, Mapping):
            models.append(read_input(item, fields, model, found))
    return _all(models, entry)


def _of_slices(slices: tuple[Slice, ...], folders: Folders) -> Inputs:
    first = slices[0]
    models = tuple(Input(source.model, source.own) for source in first.sources)
    bases = tuple(slice_.base for slice_ in slices if slice_.base is not None)
    return Inputs(models, first.between, first.at, () if is_whole(slices, folders) else slices, bases)


def _all(models: list[Input | None], entry: Entry) -> Inputs | None:
    read = tuple(one for one in models if one is not None)
    return Inputs(read, {}, entry.at) if read and len(read) == len(models) else None
