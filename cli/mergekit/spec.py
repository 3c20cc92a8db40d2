"""Writes the merges of a configuration as a spec."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

from fusec.cli.mergekit.alignment import Transplant, Union, transplant_lines, union_lines
from fusec.cli.mergekit.findings import Remark
from fusec.cli.mergekit.methods import Merge
from fusec.cli.mergekit.references import Reference
from fusec.cli.mergekit.stacks import Part, Stack
from fusec.compiler.module import standard_meaning
from fusec.lang.format import WIDTH, format_source
from fusec.lang.lexer import DECLARATIONS, RESERVED
from fusec.lang.strings import quote

LONGEST_NAME = 60

Made = Merge | Stack | Transplant | Union


def write_spec(merges: tuple[Made, ...], remarks: tuple[Remark, ...], file: str, title: str) -> str:
    """The formatted spec; `file` is the configuration's name, `title` names the last result's folder."""
    names = _Names(merges)
    lines = ["edition 2026", "", *_header(merges, remarks, file), ""]
    lines += [_source(source, names) for source in names.sources]
    lines += [f"tokenizer {names.of[one.uri]} from {quote(one.uri)}" for one in names.tokenizers]
    lines.append("")
    for merge in merges:
        lines += [*_declaration(merge, names), ""]
    used = {model.uri for merge in merges for model in _inputs(merge) if model.made}
    for merge in merges:
        if merge.name not in used:
            folder = re.sub(r"[^\w.-]+", "_", merge.name or title, flags=re.ASCII).strip(".") or "merged"
            lines.append(f"output {names.result(merge)} to {quote(f'./models/{folder}')}")
    return format_source("\n".join(lines) + "\n")


def _header(merges: tuple[Made, ...], remarks: tuple[Remark, ...], file: str) -> Iterator[str]:
    yield f"# Translated from the mergekit configuration {_plain(file)}; every key of it is in here."
    if any(isinstance(m, Merge) and len({model.uri for model in _inputs(m)}) > 1 for m in merges):
        yield "# `root:` states what a merge takes for granted: these models descend from one."
    if remarks:
        yield "#"
    for remark in remarks:
        text = f"line {remark.at.position.line}: {_plain(remark.says)}"
        yield from textwrap.wrap(text, WIDTH, initial_indent="# - ", subsequent_indent="#   ")


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else "�" for c in text)


def _source(source: Reference, names: _Names) -> str:
    root = names.root(source)
    stated = f": Model[_, _, root: {root}]" if root else ""
    return f"model {names.of[source.uri]}{stated} from {quote(source.uri)}"


def _declaration(made: Made, names: _Names) -> Iterator[str]:
    match made:
        case Stack():
            return _stack(made, names)
        case Union():
            return union_lines(made, names.result(made), names.model)
        case Transplant():
            return transplant_lines(made, names.result(made), names.model)
        case Merge():
            return _merge(made, names)


def _merge(merge: Merge, names: _Names) -> Iterator[str]:
    yield f"model {names.result(merge)} = merge {{"
    yield f"  base: {names.model(merge.base)}"
    weighted = (
        names.model(model) + ("" if weight is None else f": {weight!r}") for model, weight in merge.experts
    )
    yield f"  experts: [{', '.join(weighted)}]"
    yield f"  method: {merge.method}"
    if merge.rules:
        yield "  rules: ["
        yield from (f"    {rule}," for rule in merge.rules)
        yield "  ]"
    if merge.keep:
        yield f"  keep: [{', '.join(map(quote, merge.keep))}]"
    if merge.dtype:
        yield f"  dtype: {merge.dtype}"
    yield "}"


def _stack(stack: Stack, names: _Names) -> Iterator[str]:
    yield f"model {names.result(stack)} = stack {{"
    yield "  layers: ["
    yield from (f"    {_slice(part, names)}," for part in stack.parts)
    yield "  ]"
    if stack.dtype:
        yield f"  dtype: {stack.dtype}"
    yield "}"


def _slice(part: Part, names: _Names) -> str:
    text = f"{names.model(part.model)}, start: {part.start}, stop: {part.stop}"
    text += "" if part.scale is None else f", scale: {part.scale!r}"
    text += f", only: [{', '.join(map(quote, part.only))}]" if part.only else ""
    return f"slice({text})"


def _inputs(merge: Made) -> tuple[Reference, ...]:
    if isinstance(merge, Stack):
        return tuple(part.model for part in merge.parts)
    if isinstance(merge, Union):
        return merge.of
    if isinstance(merge, Transplant):
        return (merge.model, *((merge.tokenizer,) if merge.setting.source is None else ()))
    return (merge.base, *(model for model, _ in merge.experts))


class _Names:
    """Identifiers for sources and results, and the ancestor of each source."""

    def __init__(self, merges: tuple[Made, ...]) -> None:
        self.results = {merge.name: merge for merge in merges}
        models = [model for merge in merges for model in _inputs(merge)]
        self.sources = tuple({model.uri: model for model in models if not model.made}.values())
        words = (m.tokenizer for m in merges if isinstance(m, Transplant) and not m.tokenizer.made)
        known = {source.uri for source in self.sources}
        self.tokenizers = tuple({model.uri: model for model in words if model.uri not in known}.values())
        self.of: dict[str, str] = {}
        self._made: dict[str, str] = {}
        taken: set[str] = set()
        for merge in merges:
            self._made[merge.name] = _free(identifier(_title(merge) or "merged"), taken)
        for source in (*self.sources, *self.tokenizers):
            path = source.uri.removeprefix("hf:").partition("@")[0].rstrip("/").split("/")
            short = identifier(path[-1])
            long = identifier("_".join(path[-2:]))
            self.of[source.uri] = _free(short if short not in taken else long, taken)
        self._roots = self._ancestors(merges)

    def model(self, reference: Reference) -> str:
        return self._made[reference.uri] if reference.made else self.of[reference.uri]

    def result(self, merge: Made) -> str:
        return self._made[merge.name]

    def root(self, source: Reference) -> str:
        """What `root:` says of a source; empty where nothing needs to be said."""
        return self._roots.get(source.uri, "")

    def _ancestors(self, merges: tuple[Made, ...]) -> dict[str, str]:
        """The ancestor of every source: the base of the last merge that it goes into, however indirectly."""
        ancestor: dict[str, str] = {}
        compared: set[str] = set()
        columns = (column for merge in reversed(merges) for column in self._columns(merge))
        for base, experts in columns:
            inside = [uri for model in (base, *experts) for uri in self._sources_in(model)]
            top = next((ancestor[uri] for uri in inside if uri in ancestor), self._source_of(base).uri)
            for uri in inside:
                ancestor.setdefault(uri, top)
            if base.uri != top:
                compared |= {model.uri for model in experts if model.uri == top}
        stated = {uri: self.of[top] for uri, top in ancestor.items() if uri != top}
        # An ancestor that is an expert of another base has to say that it is its own.
        return stated | dict.fromkeys(compared, "self")

    def _columns(self, made: Made) -> Iterator[tuple[Reference, tuple[Reference, ...]]]:
        """The base and the experts that are combined with each other, of stacks slice by slice."""
        if not isinstance(made, Merge):
            return
        stacks = [self.results.get(model.uri) if model.made else None for model in _inputs(made)]
        parts = [stack.parts for stack in stacks if isinstance(stack, Stack)]
        if len(parts) < len(stacks):
            yield made.base, tuple(model for model, _ in made.experts)
            return
        for base, *experts in zip(*parts, strict=True):
            yield base.model, tuple(part.model for part in experts)

    def _source_of(self, model: Reference) -> Reference:
        while model.made:
            model = _inputs(self.results[model.uri])[0]
        return model

    def _sources_in(self, model: Reference) -> list[str]:
        if not model.made:
            return [model.uri]
        inside = (uri for part in _inputs(self.results[model.uri]) for uri in self._sources_in(part))
        return list(dict.fromkeys(inside))


def _title(made: Made) -> str:
    return made.name if isinstance(made, Merge) else made.title


def identifier(text: str) -> str:
    """A name that the language allows and that hides no word of its own: `Qwen3-8B` is `qwen3_8b`."""
    word = re.sub(r"[^0-9a-z]+", "_", text.lower()).strip("_")[:LONGEST_NAME] or "model"
    if word[0].isdigit():
        word = f"m{word}"
    clash = word in DECLARATIONS or word in RESERVED or word == "self" or standard_meaning(word)
    return f"{word}_model" if clash else word


def _free(word: str, taken: set[str]) -> str:
    number, free = 2, word
    while free in taken:
        free, number = f"{word}_{number}", number + 1
    taken.add(free)
    return free
