"""Reads mergekit's two spellings of a tokenizer setting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from fusec.cli.mergekit.alignment import Alignment
from fusec.cli.mergekit.findings import Findings, shown
from fusec.cli.mergekit.references import Reference
from fusec.cli.mergekit.vocabulary import STANDIN, TOKEN, TOKENIZER
from fusec.cli.mergekit.yaml_tree import Entry, Mapping, Node, Scalar, is_null
from fusec.lang.codes.fuse603_misfit import Misfit

Model = Callable[[Node], Reference | None]


def read_tokenizer(
    source: Entry | None,
    table: Entry | None,
    base: Reference | None,
    donor: Reference | None,
    model: Model,
    found: Findings,
) -> Alignment | None:
    """What to align before the merge; None where the base's tokenizer serves all models as it is."""
    if source and table:
        says = "`tokenizer_source` stands beside `tokenizer`"
        reason = "they are two spellings of one setting"
        found.report(Misfit(says, source.at, "keep one of them", reason, "", table.at))
        found.use_all(table.value)
        found.use_all(source.value)
        return None
    if source:
        return _source(source, base, donor, model, found, Alignment(None))
    return _table(table, base, donor, model, found) if table else None


def _source(
    entry: Entry,
    base: Reference | None,
    donor: Reference | None,
    model: Model,
    found: Findings,
    setting: Alignment,
) -> Alignment | None:
    word = entry.value.text if isinstance(entry.value, Scalar) else ""
    if word == "union":
        says = f"{shown(entry)}: new tokens are numbered in the order of the models, in mergekit by chance"
        found.remark(says, entry.at)
        return setting
    if word == "base":
        if base is None:
            says = "`base` means the base model, but there is none"
            found.misfit(says, entry.value.span, "add `base_model:`")
            return None
        wanted: Reference | None = base
    else:
        wanted = model(entry.value)
    if wanted is None or donor is None:
        return None
    if wanted.uri == donor.uri and setting == Alignment(None):
        says = f"{shown(entry)}: as fusec does; mergekit also drops embedding rows beyond the vocabulary"
        found.remark(f"{says}, fusec keeps them", entry.at)
        return None
    return replace(setting, source=wanted)


def _table(
    table: Entry, base: Reference | None, donor: Reference | None, model: Model, found: Findings
) -> Alignment | None:
    keys = {
        k: e for k, e in found.fields(table.value, TOKENIZER, "`tokenizer`").items() if not is_null(e.value)
    }
    setting = Alignment(None)
    if "tokens" in keys:
        setting = _tokens(keys["tokens"], model, found)
    if "pad_to_multiple_of" in keys:
        setting = replace(setting, multiple=_multiple(keys["pad_to_multiple_of"], found))
    if "source" in keys:
        return _source(keys["source"], base, donor, model, found, setting)
    if isinstance(table.value, Mapping):
        says = "`tokenizer` does not say whose"
        found.misfit(says, table.at, "add `source: base` to keep the base's, or `source: union`")
    return None


def _multiple(entry: Entry, found: Findings) -> int:
    text = entry.value.text if isinstance(entry.value, Scalar) else ""
    if not (text.isascii() and text.isdigit()) or int(text[:9]) == 0 or len(text) > 7:
        found.use_all(entry.value)
        found.misfit(
            "`pad_to_multiple_of` is a number of rows", entry.value.span, "write 64, or leave it out"
        )
        return 1
    return int(text)


def _tokens(entry: Entry, model: Model, found: Findings) -> Alignment:
    if not isinstance(entry.value, Mapping):
        found.use_all(entry.value)
        found.misfit(
            "`tokens` maps tokens to their rows", entry.value.span, "write `tokens: {<x>: {source: …}}`"
        )
        return Alignment(None)
    rows: list[tuple[str, Reference]] = []
    zero, force = [], []
    for token in entry.value.entries:
        found.used.add(token.at)
        fields = found.fields(token.value, TOKEN, "a token")
        if "source" not in fields or is_null(fields["source"].value):
            if isinstance(token.value, Mapping):
                found.misfit(
                    f"`{token.key}` has no `source`", token.at, "name a model, or leave the token out"
                )
            continue
        row = _row(fields["source"], token.key, model, found)
        if row == "zero":
            zero.append(token.key)
        elif isinstance(row, Reference):
            rows.append((token.key, row))
        if "force" in fields and _is_true(fields["force"], found):
            force.append(token.key)
    return Alignment(None, tuple(rows), tuple(zero), tuple(force))


def _row(entry: Entry, token: str, model: Model, found: Findings) -> Reference | str | None:
    """The model whose row a token takes, "zero" for none; None after a message."""
    if not isinstance(entry.value, Mapping) or entry.value["kind"] is None:
        return model(entry.value)
    fields = found.fields(entry.value, STANDIN, "a token's `source`")
    kind = fields["kind"].value.text if isinstance(fields["kind"].value, Scalar) else ""
    if kind == "zero":
        return "zero"
    named = fields.get("token")
    other = named.value.text if named and isinstance(named.value, Scalar) else None
    if kind == "model_token" and other == token and "model" in fields:
        return model(fields["model"].value)
    found.use_all(entry.value)
    if kind != "model_token":
        found.misfit(
            "the `kind` of a row is `zero` or `model_token`", fields["kind"].at, "write one of these"
        )
        return None
    reason = "a token of fusec takes the row of the same token in another model"
    found.lacks("the row of another token has no counterpart", entry.at, reason, "name a model that has it")
    return None


def _is_true(entry: Entry, found: Findings) -> bool:
    text = entry.value.text.lower() if isinstance(entry.value, Scalar) else ""
    if text not in ("true", "false"):
        found.use_all(entry.value)
        found.misfit("`force` is true or false", entry.value.span, "write `force: true`")
    return text == "true"
