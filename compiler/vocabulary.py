"""The tensors that have a row for each token, and what a model's space becomes when its tokens change."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from math import prod

import msgspec

from fusec.compiler.facts import DTYPE_BYTES, EMBEDDINGS, TensorFact, space_fingerprint
from fusec.compiler.slots import Input
from fusec.compiler.step import Site
from fusec.lang.types import ModelType, Space, TokenizerType

Shapes = Mapping[str, tuple[int, ...]]

HEADS = ("lm_head.weight", "lm_head.bias", "embed_out.weight", "embed_out.bias")
"""How the names of output heads and their biases end."""

_SUSPICIOUS = ("embed", "head")
"""A tensor of the embedding's shape with such a name may have a row for each token too."""


def token_tensors(shapes: Shapes) -> tuple[str, ...]:
    """The tensors with a row for each token, by name: input embeddings, heads, biases of heads.

    Raises ValueError, with what is wrong as a part of a sentence, where the names do not tell.
    """
    embeddings = [name for name in shapes if name.endswith(EMBEDDINGS)]
    if not embeddings:
        raise ValueError("no tensor whose name says that it is the input embedding")
    found = sorted([*embeddings, *(name for name in shapes if name.endswith(HEADS))])
    first = shapes[min(embeddings)]
    for name in found:
        if shapes[name][:1] != first[:1]:
            raise ValueError(f"{first[0]} rows in `{min(embeddings)}` and {list(shapes[name])} in `{name}`")
    for name in sorted(shapes):
        last = name.split(".")[-3:]
        if shapes[name] == first and name not in found and any(w in p for w in _SUSPICIOUS for p in last):
            raise ValueError(f"a tensor `{name}` that may have a row for each token, or may not")
    return tuple(found)


def tokenizer_type(site: Site, value: Input) -> TokenizerType | None:
    """The type of a tokenizer, or of the one that a model carries; None where it carries none."""
    type_ = value.type
    if isinstance(type_, TokenizerType):
        return type_
    if not isinstance(type_, ModelType) or not type_.tokenizer:
        return None
    known = site.tokenizer_called(type_.tokenizer)
    return known or TokenizerType(type_.tokenizer, type_.space.vocab, exact=False)


def space_of_rows(site: Site, model: ModelType, tokenizer: TokenizerType, multiple: int) -> Space:
    """The space of `model` when its embedding has a row for each token of `tokenizer`, padded to a multiple.

    Where the number of rows is not known yet, the space is told apart by the tokenizer, and its tensors are
    remembered with 0 rows. Raises ValueError as `token_tensors` does.
    """
    rows = padded(tokenizer.vocab, multiple)
    shapes = site.shapes_of(model.space.fingerprint) or {}
    changed = token_tensors(shapes) if shapes else ()
    known = bool(shapes) and tokenizer.exact
    had = {name: shapes[name] for name in changed}
    has = {**shapes, **{name: (rows if known else 0, *shape[1:]) for name, shape in had.items()}}
    fingerprint = space_fingerprint(TensorFact(name, model.dtype, shape) for name, shape in has.items())
    if not known:
        parts = [fingerprint if shapes else model.space.fingerprint, tokenizer.fingerprint, multiple]
        fingerprint = sha256(msgspec.json.encode(parts)).hexdigest()
    if shapes:
        site.know_space(fingerprint, has)
    more = sum((rows - shape[0]) * prod(shape[1:]) for shape in had.values() if shape[0])
    kind = model.space.name.rpartition("_")[0] or model.space.name
    return msgspec.structs.replace(
        model.space,
        name=f"{kind}_{fingerprint[:6]}",
        fingerprint=fingerprint,
        params=model.space.params + more,
        bytes=model.space.bytes + more * DTYPE_BYTES.get(model.dtype, 4),
        vocab=rows if known else 0,
    )


def padded(rows: int, multiple: int) -> int:
    """`rows`, rounded up to a multiple."""
    return -(-rows // multiple) * multiple


def only_rows_differ(site: Site, a: ModelType, b: ModelType) -> bool:
    """Whether two spaces would be one if both models had the same tokens."""
    has, other = site.shapes_of(a.space.fingerprint), site.shapes_of(b.space.fingerprint)
    if has is None or other is None or has.keys() != other.keys():
        return False
    try:
        rows = {*token_tensors(has), *token_tensors(other)}
    except ValueError:
        return False
    return all(shape[name in rows :] == other[name][name in rows :] for name, shape in has.items())
