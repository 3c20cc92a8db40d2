"""What a configuration says besides the merge and its tokenizer: stored type, chat template."""

from __future__ import annotations

from fusec.cli.mergekit.findings import Findings, shown
from fusec.cli.mergekit.vocabulary import DTYPES, METHODS
from fusec.cli.mergekit.yaml_tree import Entry, Scalar
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
