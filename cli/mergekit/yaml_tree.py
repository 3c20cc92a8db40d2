"""YAML as a tree whose every key and value knows its place.

Aliases are followed and merge keys (`<<`) are merged, as every YAML loader does; a key that is written
twice, which loaders let pass, is reported.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import yaml

from fusec.lang.codes.fuse603_misfit import Misfit
from fusec.lang.codes.fuse604_not_yaml import NotYaml
from fusec.lang.diagnostics import Diagnostic
from fusec.lang.source import Source, Span

MAX_CHARACTERS = 200_000
MAX_DEPTH = 40
_STANDARD = "tag:yaml.org,2002:"


@dataclass(frozen=True, eq=False)
class Scalar:
    """A single value: its text, the type that YAML gives it (`str`, `int`, `bool`, ...), quoted or not."""

    text: str
    type: str
    quoted: bool
    span: Span


@dataclass(frozen=True, eq=False)
class Sequence:
    items: tuple[Node, ...]
    span: Span


@dataclass(frozen=True, eq=False)
class Entry:
    """One key of a mapping with its value."""

    key: str
    at: Span
    value: Node


@dataclass(frozen=True, eq=False)
class Mapping:
    entries: tuple[Entry, ...]
    span: Span

    def __getitem__(self, key: str) -> Entry | None:
        return next((entry for entry in self.entries if entry.key == key), None)


Node: TypeAlias = Scalar | Sequence | Mapping


def is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.type == "null"


def read_yaml(source: Source) -> tuple[tuple[Node, ...], tuple[Diagnostic, ...]]:
    """The documents of a file, empty ones left out, and what is wrong with them as YAML."""
    if len(source.text) > MAX_CHARACTERS:
        at = source.span(MAX_CHARACTERS, MAX_CHARACTERS + 1)
        return (), (NotYaml(f"more than {MAX_CHARACTERS:,} characters", at),)
    try:
        # Events come without recursion, so a file of ten thousand brackets ends here.
        deep = _too_deep(source)
        if deep is not None:
            return (), (deep,)
        composed = list(yaml.compose_all(source.text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        return (), (_marked(source, error),)
    except yaml.reader.ReaderError as error:
        what = f"the character U+{int(error.character):04X} is not allowed"
        return (), (NotYaml(what, source.span(error.position, error.position + 1)),)
    reader = _Reader(source)
    documents = tuple(node for node in map(reader.read, composed) if node is not None and not is_null(node))
    return documents, tuple(reader.problems)


def _too_deep(source: Source) -> Diagnostic | None:
    depth = 0
    for event in yaml.parse(source.text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                at = event.start_mark.index
                return NotYaml(f"nested deeper than {MAX_DEPTH} levels", source.span(at, at + 1))
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return None


def _marked(source: Source, error: yaml.MarkedYAMLError) -> Diagnostic:
    mark = error.problem_mark or error.context_mark
    at = min(mark.index, max(0, len(source.text) - 1)) if mark else 0
    return NotYaml(error.problem or "it ends early", source.span(at, at + 1), error.context or "")


class _Reader:
    """From PyYAML's graph to our tree: a node that is used twice is read once."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.problems: list[Diagnostic] = []
        self._done: dict[int, Node | None] = {}

    def read(self, node: yaml.Node) -> Node | None:
        """The tree below a node; None, with a message, where it contains itself or has a type of its own."""
        if id(node) in self._done:
            if self._done[id(node)] is None:
                self._report("this contains itself", self._span(node), "write the value out")
            return self._done[id(node)]
        self._done[id(node)] = None
        if not node.tag.startswith(_STANDARD):
            self._report(f"the tag `{node.tag}` means nothing here", self._span(node), "leave the tag out")
            return None
        made: Node
        if isinstance(node, yaml.ScalarNode):
            type_ = node.tag.removeprefix(_STANDARD)
            made = Scalar(node.value, type_, node.style is not None, self._span(node))
        elif isinstance(node, yaml.SequenceNode):
            items = tuple(item for item in map(self.read, node.value) if item is not None)
            made = Sequence(items, self._span(node))
        else:
            made = Mapping(tuple(self._entries(node)), self._span(node))
        self._done[id(node)] = made
        return made

    def _entries(self, node: yaml.MappingNode) -> Iterator[Entry]:
        first: dict[str, Span] = {}
        merged: list[yaml.Node] = []
        for key, value in node.value:
            at = self._span(key)
            if not isinstance(key, yaml.ScalarNode):
                self._report("a key is a single word", at, "write the key as a word")
                continue
            if key.tag == f"{_STANDARD}merge":
                merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
                continue
            if key.value in first:
                says = f"`{key.value}` is written twice"
                self._report(says, at, "leave one of them out", first[key.value])
                continue
            first[key.value] = at
            made = self.read(value)
            if made is not None:
                yield Entry(key.value, at, made)
        for other in merged:
            made = self.read(other)
            if not isinstance(made, Mapping):
                if made is not None:
                    self._report("`<<` takes a mapping", made.span, "refer to a mapping")
                continue
            for entry in made.entries:
                if entry.key not in first:
                    first[entry.key] = entry.at
                    yield entry

    def _span(self, node: yaml.Node) -> Span:
        start, end = node.start_mark.index, node.end_mark.index
        # The end of a block lies where the next thing begins.
        end = start + len(self.source.text[start:end].rstrip())
        return self.source.span(start, max(end, min(start + 1, len(self.source.text))))

    def _report(self, says: str, at: Span, fix: str, first: Span | None = None) -> None:
        reason = "most readers keep the last one and say nothing" if first else ""
        self.problems.append(Misfit(says, at, fix, reason, "", first, "first here" if first else ""))
