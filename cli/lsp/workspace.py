"""All specs that an editor has to do with: those that are open, and those in its folders that use files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pygls import uris

from fusec.cli.lsp.document import Document
from fusec.cli.lsp.documents import Documents
from fusec.cli.lsp.spec import Spec
from fusec.lang import tree
from fusec.lang.codes.fuse108_never_used import NeverUsed
from fusec.lang.diagnostics import Diagnostic
from fusec.lang.source import Source

MAX_FILES = 2_000
"""How many specs are looked for in the folders of an editor."""

_SKIPPED = frozenset({"node_modules", "__pycache__", "build", "dist"})


class Workspace:
    def __init__(self) -> None:
        self.folders: list[Path] = []
        self.documents = Documents()
        self.open: dict[str, Spec] = {}
        self._uris: dict[str, str] = {}
        self._closed: dict[str, Spec] = {}
        self._listed: tuple[str, ...] | None = None

    # --- files ------------------------------------------------------------------

    def take(self, uri: str, text: str) -> Spec:
        """A file is open, or has another text."""
        spec = self.open.get(uri)
        if spec is None:
            identity = identity_of(uri)
            self.documents.open[identity], self._uris[identity] = Document(identity, text), uri
            spec = self.open[uri] = Spec(identity, self.documents)
        else:
            spec.document.edit(text)
        self.changed(spec.identity)
        return spec

    def close(self, uri: str) -> Spec:
        spec = self.open.pop(uri)
        del self.documents.open[spec.identity], self._uris[spec.identity]
        self.changed(spec.identity)
        return spec

    def changed(self, identity: str) -> list[Spec]:
        """The open specs that a changed file belongs to; they are checked again when somebody asks."""
        found = [s for s in self.open.values() if identity == s.identity or identity in s.files.seen]
        for spec in found:
            spec.stale()
        return found

    def document(self, identity: str) -> Document | None:
        """The text of a file, None where it cannot be read."""
        try:
            return self.documents.document(identity)
        except (OSError, ValueError):
            return None

    def forget_folders(self) -> None:
        """Files came or went."""
        self._listed = None

    def uri(self, source: Source | str) -> str:
        """The address of the file that a span stands in."""
        identity = source if isinstance(source, str) else source.name
        known = self._uris.get(identity)
        if known is not None:
            return known
        return Path(identity).as_uri() if os.path.isabs(identity) else identity

    def holds(self, identity: str) -> bool:
        """Whether a file is open or in a folder of the editor."""
        return identity in self._uris or any(
            Path(identity).is_relative_to(os.path.realpath(folder)) for folder in self.folders
        )

    # --- who uses whom ------------------------------------------------------------

    def users(self, identity: str) -> list[Spec]:
        """Every spec that uses a file: open ones, and those in the folders of the editor."""
        return [spec for spec in self._all() if any(identity in found for found in spec.modules().values())]

    def _all(self) -> Iterator[Spec]:
        yield from self.open.values()
        for identity in self._files():
            if identity in self._uris:
                continue
            document = self.document(identity)
            if document is not None and any(isinstance(d, tree.Use) for d in document.declarations):
                if identity not in self._closed:
                    self._closed[identity] = Spec(identity, self.documents)
                self._closed[identity].stale()
                yield self._closed[identity]

    def _files(self) -> tuple[str, ...]:
        if self._listed is None:
            found: list[str] = []
            for folder in self.folders:
                found += _specs_in(folder, MAX_FILES - len(found))
            self._listed = tuple(dict.fromkeys(found))
        return self._listed

    # --- what is wrong --------------------------------------------------------------

    def problems(self, spec: Spec) -> dict[str, list[Diagnostic]]:
        """What the check of a spec says, by the address of the file it says it of.

        What a file makes and does not use itself is for those that use the file.
        """
        found: dict[str, list[Diagnostic]] = {}
        problems = list(spec.problems())
        if any(isinstance(p, NeverUsed) for p in problems) and self.users(spec.identity):
            problems = [p for p in problems if not isinstance(p, NeverUsed)]
        for problem in problems:
            found.setdefault(self.uri(problem.marks()[0].span.source), []).append(problem)
        return found


def identity_of(uri: str) -> str:
    path = uris.to_fs_path(uri) if uri.startswith("file:") else None
    return os.path.realpath(path) if path else uri


def _specs_in(folder: Path, most: int) -> list[str]:
    found: list[str] = []
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in _SKIPPED)
        for file in sorted(files):
            if file.endswith(".fuse") and len(found) < most:
                found.append(os.path.realpath(os.path.join(here, file)))
        if len(found) >= most:
            break
    return found
