"""Models under one tokenizer: the steps before a merge that tokenizer settings of mergekit stand for.

mergekit finds a row for every token of the result in every model: the model's own, else one that the
settings name, else the base's, else the mean of those that have it, else zeros. `transplant_tokenizer` does
that with `base`, `donors` and `missing: zero`, and the merge of the transplants is an ordinary one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from fusec.cli.mergekit.findings import Findings
from fusec.cli.mergekit.methods import Merge
from fusec.cli.mergekit.references import Reference
from fusec.lang.strings import quote


@dataclass(frozen=True)
class Alignment:
    """The setting of one merge. `source` is the model whose tokens count, None for the union of all."""

    source: Reference | None
    tokens: tuple[tuple[str, Reference], ...] = ()
    zero: tuple[str, ...] = ()
    force: tuple[str, ...] = ()
    multiple: int = 1


@dataclass(frozen=True)
class Union:
    """One `tokenizer … = union_tokenizers { … }`; `title` is what its name is made from."""

    name: str
    title: str
    of: tuple[Reference, ...]


@dataclass(frozen=True)
class Transplant:
    """One `model … = transplant_tokenizer { … }`; `title` is what its name is made from."""

    name: str
    title: str
    model: Reference
    tokenizer: Reference
    base: Reference | None
    donors: tuple[Reference, ...]
    setting: Alignment


def align(merge: Merge, setting: Alignment) -> tuple[Union | Transplant | Merge, ...]:
    """The merge behind a transplant of each of its models, and behind a union where there is one."""
    models = tuple({m.uri: m for m in (merge.base, *(model for model, _ in merge.experts))}.values())
    made: list[Union | Transplant] = []
    tokenizer = setting.source
    if tokenizer is None:
        union = Union(f"union of {', '.join(m.uri for m in models)}", f"{merge.name} union".strip(), models)
        made.append(union)
        tokenizer = Reference(union.name, True, merge.at)
    aligned: dict[str, Reference] = {}
    for model in models:
        name = f"{model.uri} under {tokenizer.uri} for {merge.name}"
        title = f"{model.uri.rstrip('/').rpartition('/')[2]} aligned"
        base = merge.base if merge.based and model.uri != merge.base.uri else None
        donors = tuple(other for other in models if other.uri != model.uri and other is not base)
        made.append(Transplant(name, title, model, tokenizer, base, donors, setting))
        aligned[model.uri] = Reference(name, True, model.at)
    experts = tuple((aligned[model.uri], weight) for model, weight in merge.experts)
    return (*made, replace(merge, base=aligned[merge.base.uri], experts=experts))


def union_lines(union: Union, result: str, name: Callable[[Reference], str]) -> Iterator[str]:
    """The declaration of a union."""
    yield f"tokenizer {result} = union_tokenizers {{ of: [{', '.join(map(name, union.of))}] }}"


def transplant_lines(made: Transplant, result: str, name: Callable[[Reference], str]) -> Iterator[str]:
    """The declaration of a transplant."""
    setting = made.setting
    yield f"model {result} = transplant_tokenizer {{"
    yield f"  model: {name(made.model)}"
    yield f"  tokenizer: {name(made.tokenizer)}"
    if made.base is not None:
        yield f"  base: {name(made.base)}"
    if made.donors:
        yield f"  donors: [{', '.join(map(name, made.donors))}]"
    if setting.tokens:
        rows = (f"{quote(token)}: {name(model)}" for token, model in setting.tokens)
        yield f"  tokens: [{', '.join(rows)}]"
    for slot, tokens in (("zero", setting.zero), ("force", setting.force)):
        if tokens:
            yield f"  {slot}: [{', '.join(map(quote, tokens))}]"
    yield "  missing: zero"
    if setting.multiple != 1:
        yield f"  pad_to_multiple_of: {setting.multiple}"
    yield "}"


def require_merged(setting: Alignment, merge: Merge, found: Findings) -> bool:
    """Whether all models that give rows are merged too; reports the first that is not."""
    merged = {merge.base.uri, *(model.uri for model, _ in merge.experts)}
    for token, model in setting.tokens:
        if model.uri not in merged:
            reason = "a row means something among models of one ancestor, which those of a merge are"
            says = f"`{token}` takes the row of a model that is not merged, which has no counterpart"
            found.lacks(says, model.at, reason, "name one of the merged models")
            return False
    return True
