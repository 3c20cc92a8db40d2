"""What a configuration says besides the merge: stored type, tokenizer, chat template."""

from __future__ import annotations

from collections.abc import Callable

from fusec.cli.mergekit.findings import Findings, shown
from fusec.cli.mergekit.references import Reference
from fusec.cli.mergekit.vocabulary import DTYPES, METHODS, TOKENIZER
from fusec.cli.mergekit.yaml_tree import Entry, Mapping, Node, Scalar, Sequence, is_null
from fusec.lang.codes.fuse603_misfit import Misfit
from fusec.lang.source import Span


def read_dtype(
    dtype: Entry | None, out: Entry | None, method: str | None, at: Span, found: Findings
) -> str | None:
    """The type that merged weights are stored in, in fusec's word; None for the base's."""
    working, stored = _dtype(dtype, found), _dtype(out, found)
    if dtype and working and working != "fp32":
        every = "every step" if method and METHODS[method].takes_updates else "the inputs"
        says = (
            f"{shown(dtype)}: mergekit rounds {every} to it; fusec reads the stored weights, computes in fp32"
        )
        found.remark(f"{says} and rounds once", dtype.at)
    elif dtype and working and stored:
        found.remark(f"{shown(dtype)}: fusec computes in fp32 as well", dtype.at)
    elif dtype is None and method and METHODS[method].takes_updates:
        found.remark("no `dtype`: mergekit computes in the type of the stored weights, fusec in fp32", at)
    return stored or working


def _dtype(entry: Entry | None, found: Findings) -> str | None:
    if entry is None:
        return None
    word = entry.value.text if isinstance(entry.value, Scalar) else ""
    if word not in DTYPES:
        known = ", ".join(f"`{name}`" for name in DTYPES)
        reason = f"fusec stores merged weights as {known}"
        found.lacks(
            f"`{entry.key}` has no counterpart of this", entry.value.span, reason, "write one of these"
        )
        found.use_all(entry.value)
    return DTYPES.get(word)


def read_tokenizer(
    source: Entry | None,
    table: Entry | None,
    base: Reference | None,
    donor: Reference | None,
    model: Callable[[Node], Reference | None],
    found: Findings,
) -> None:
    """Accepts what fusec does, the base's tokenizer for all; reports everything else."""
    if source and table:
        says = "`tokenizer_source` stands beside `tokenizer`"
        reason = "they are two spellings of one setting"
        found.report(Misfit(says, source.at, "keep one of them", reason, "", table.at))
        found.use_all(table.value)
        found.use_all(source.value)
    elif source:
        _source(source, base, donor, model, found)
    elif table:
        _table(table, base, donor, model, found)


def _table(
    table: Entry,
    base: Reference | None,
    donor: Reference | None,
    model: Callable[[Node], Reference | None],
    found: Findings,
) -> None:
    keys = found.fields(table.value, TOKENIZER, "`tokenizer`")
    for key in ("tokens", "pad_to_multiple_of"):
        entry = keys.get(key)
        if entry is None or is_null(entry.value):
            continue
        found.use_all(entry.value)
        if isinstance(entry.value, Mapping | Sequence) and entry.value.span.text in ("{}", "[]"):
            continue
        what = "the rows of single tokens" if key == "tokens" else "the height of the embedding"
        reason = f"a merge of fusec leaves {what} as the base has it"
        found.lacks(f"`{key}` has no counterpart yet", entry.at, reason, "leave it out")
    source = keys.get("source")
    if source is None or is_null(source.value):
        if isinstance(table.value, Mapping):
            says = "`tokenizer` does not say whose"
            found.misfit(says, table.at, "add `source: base` to keep the base's, as fusec does")
        return
    _source(source, base, donor, model, found)


def _source(
    entry: Entry,
    base: Reference | None,
    donor: Reference | None,
    model: Callable[[Node], Reference | None],
    found: Findings,
) -> None:
    keeps = "a merge of fusec keeps the base's tokenizer and asks that the experts number their tokens alike"
    word = entry.value.text if isinstance(entry.value, Scalar) else ""
    if word == "union":
        nearest = "`base`, where the experts added no tokens"
        found.lacks("a union of tokenizers has no counterpart yet", entry.value.span, keeps, nearest)
        return
    if word == "base":
        if base is None:
            found.misfit(
                "`base` means the base model, but there is none", entry.value.span, "add `base_model:`"
            )
            return
    else:
        wanted = model(entry.value)
        if wanted is None or donor is None:
            return
        if wanted.uri != donor.uri:
            found.lacks(
                "the tokenizer of another model has no counterpart yet", entry.value.span, keeps, "`base`"
            )
            return
    says = f"{shown(entry)}: as fusec does; mergekit also drops embedding rows beyond the vocabulary"
    found.remark(f"{says}, fusec keeps them", entry.at)


def refuse_chat_template(entry: Entry | None, found: Findings) -> None:
    """Reports a chat template: a merge keeps the base's."""
    if entry is not None:
        found.use_all(entry.value)
        found.lacks(
            "`chat_template` has no counterpart yet",
            entry.at,
            "a merge of fusec keeps the base's chat template",
            "leave it out; another template can be put into the folder that comes out",
        )
