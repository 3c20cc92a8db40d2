"""The texts of specs: as they are typed where a file is open, as they lie on disk where it is not."""

from __future__ import annotations

from pathlib import Path

from fusec.cli.lsp.document import Document
from fusec.lang.parse import Parsed
from fusec.runtime.spec_files import SpecFiles, spec_text


class Documents:
    """Documents by identity: the real path of a file, or the address of a text that has none.

    A document is named by its identity, so that every span tells which file it stands in.
    """

    def __init__(self) -> None:
        self.open: dict[str, Document] = {}
        self._closed: dict[str, tuple[tuple[int, int], Document]] = {}

    def document(self, identity: str) -> Document:
        """Raises OSError or ValueError when a file that is not open cannot be read."""
        found = self.open.get(identity)
        if found is not None:
            return found
        text = spec_text(Path(identity))
        state = Path(identity).stat()
        known = self._closed.get(identity)
        if known is not None and known[0] == (state.st_mtime_ns, state.st_size):
            return known[1]
        document = known[1] if known is not None else Document(identity, text)
        if document.text != text:
            document.edit(text)
        self._closed[identity] = (state.st_mtime_ns, state.st_size), document
        return document


class DocumentFiles(SpecFiles):
    """What `use` reads for one spec; `seen` is every file it asked for, also those that are not there."""

    def __init__(self, spec: Path, documents: Documents) -> None:
        super().__init__(spec)
        self.seen: set[str] = set()
        self._documents = documents

    def parsed(self, identity: str, shown: str) -> Parsed:
        self.seen.add(identity)
        return self._documents.document(identity).parsed
