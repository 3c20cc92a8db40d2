"""Models as a configuration names them: hub ids with a revision, folders, and adapters on top."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fusec.cli.mergekit.findings import Findings
from fusec.cli.mergekit.vocabulary import PATH, REFERENCE
from fusec.cli.mergekit.yaml_tree import Entry, Node, Scalar, is_null
from fusec.lang.source import Span

_HUB = re.compile(r"\w[\w.-]*(?:/\w[\w.-]*)?(?:@[\w./-]+)?", re.ASCII)


@dataclass(frozen=True)
class Reference:
    """A model that one document names: a `uri` of a source, or the name of an earlier document."""

    uri: str
    made: bool
    at: Span


@dataclass(frozen=True)
class Folders:
    """Where paths start: `here` (as mergekit reads them), beside the configuration, and beside the spec."""

    here: Path
    configuration: Path
    spec: Path

    def find(self, path: str) -> Path | None:
        """The existing folder that a path means."""
        wanted = Path(path).expanduser()
        return next((p for root in (self.here, self.configuration) if (p := root / wanted).is_dir()), None)

    def uri(self, path: str) -> str | None:
        """A model's path as the spec writes it; None for what is neither a folder nor a hub id."""
        found = self.find(path)
        local = path.startswith((".", "/", "~"))
        if found is None and not local and _HUB.fullmatch(path):
            return f"hf:{path}"
        if found is None and ":" in path:
            return None
        target = found or self.here / Path(path).expanduser()
        if Path(path).expanduser().is_absolute():
            return str(target)
        relative = Path(os.path.relpath(target, self.spec)).as_posix()
        return relative if relative.startswith("..") else f"./{relative}"


def read_reference(
    node: Node, folders: Folders, documents: Mapping[str, bool], found: Findings
) -> Reference | None:
    """The model that a node names; None, with a message, where fusec has nothing like it.

    `documents` are the names of the file's documents, true for those above this one.
    """
    if not isinstance(node, Scalar):
        return _written_out(node, folders, found)
    if is_null(node) or not node.text.strip():
        found.misfit("a model is missing", node.span, "write `organisation/name` or a path")
        return None
    path, plus, _ = node.text.partition("+")
    if plus:
        _no_adapters(node.span, found)
        return None
    if path in documents:
        if not documents[path]:
            says = f"`{path}` is not made above this"
            found.misfit(
                says, node.span, "move the document that makes it up", "documents are merged in order"
            )
        return Reference(path, True, node.span)
    return _source(path, node.span, folders, found)


def _source(path: str, at: Span, folders: Folders, found: Findings) -> Reference | None:
    uri = folders.uri(path) if path.isprintable() and path == path.strip() else None
    if uri is None:
        found.misfit(
            f"`{path}` is neither a hub id nor a path", at, "write `organisation/name` or `./folder`"
        )
        return None
    return Reference(uri, False, at)


def _written_out(node: Node, folders: Folders, found: Findings) -> Reference | None:
    entries = found.fields(node, REFERENCE, "a model")
    for key in ("lora", "override_architecture"):
        entry = entries.get(key)
        if entry is None or is_null(entry.value):
            continue
        found.use_all(node)
        if key == "lora":
            _no_adapters(entry.at, found)
        else:
            reason = "fusec reads the architecture from the model's files"
            found.lacks(f"`{key}` has no counterpart", entry.at, reason, "leave it out")
        return None
    model = entries.get("model")
    if model is None or is_null(model.value):
        found.misfit("a model is missing", node.span, "write `model: organisation/name`")
        return None
    if isinstance(model.value, Scalar):
        return _source(model.value.text, model.value.span, folders, found)
    parts = found.fields(model.value, PATH, "a model's `model`")
    path, revision = _text(parts.get("path"), found), _text(parts.get("revision"), found)
    if not path:
        found.misfit("a model is missing", model.at, "write `path: organisation/name`")
        return None
    return _source(f"{path}@{revision}" if revision else path, parts["path"].value.span, folders, found)


def _text(entry: Entry | None, found: Findings) -> str:
    if entry is None or is_null(entry.value):
        return ""
    if isinstance(entry.value, Scalar):
        return entry.value.text
    found.misfit(f"`{entry.key}` is a word", entry.value.span, "write a word")
    found.use_all(entry.value)
    return ""


def _no_adapters(at: Span, found: Findings) -> None:
    found.lacks(
        "an adapter on a model has no counterpart yet",
        at,
        "the translation writes whole models only",
        'declare it in the spec as `delta name from "./adapter"` and merge it beside the models',
    )
