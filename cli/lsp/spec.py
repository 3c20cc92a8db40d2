"""One spec as an editor sees it: its text, what a check says of it, and the files it uses."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from fusec.cli.lsp.document import Document
from fusec.cli.lsp.documents import DocumentFiles, Documents
from fusec.cli.lsp.tokens import Colouring
from fusec.cli.lsp.warm import Memory
from fusec.compiler.check import check
from fusec.compiler.facts import SourceFacts, SourceProblem, SourceRequest
from fusec.compiler.typed import Typed
from fusec.compiler.values import Used
from fusec.lang import tree
from fusec.lang.codes.fuse104_missing import Missing
from fusec.lang.diagnostics import Diagnostic
from fusec.lang.mending import mend
from fusec.lang.parse import parse
from fusec.lang.source import Source
from fusec.runtime.extensions import installed
from fusec.runtime.kernel import RunError
from fusec.runtime.session import Session
from fusec.runtime.sources.problems import Unusable

log = logging.getLogger("fusec.lsp")


class Spec:
    """A spec that is checked by itself. Facts are those of its lock and headers when it was last saved."""

    def __init__(self, identity: str, documents: Documents) -> None:
        self.identity = identity
        self._path = Path(identity if os.path.isabs(identity) else "untitled.fuse")
        self._documents = documents
        self.colouring = Colouring()
        self.forget()

    def forget(self) -> None:
        """Look at the sources afresh."""
        self._memory = Memory()
        self._typed: Typed | None = None
        try:
            # Every letter of an address would be a server to ask.
            self._session: Session | None = Session(self._path, online=False)
        except RunError as error:
            log.warning("%s; %s", error.what, error.hint)
            self._session = None
        self.files = DocumentFiles(self._path, self._documents)

    @property
    def document(self) -> Document:
        return self._documents.document(self.identity)

    @property
    def typed(self) -> Typed:
        if self._typed is None:
            self._typed = self._check(self._memory)
        return self._typed

    def stale(self) -> None:
        """One of its texts changed: check again when somebody asks."""
        self._typed = None

    def _check(self, memory: Memory) -> Typed:
        return memory.check(self.document.parsed, self._facts, installed, self.files)

    def problems(self) -> Iterator[Diagnostic]:
        """What is wrong with the text, but for parameters without a value: `--set` or a `use` gives one."""
        for problem in self.typed.problems:
            if not (isinstance(problem, Missing) and problem.what == "parameter"):
                yield problem

    def try_text(self, text: str) -> Typed:
        """What another text would come to; the document stays as it is."""
        with trying(self._documents, {self.identity: text}):
            return self.try_check()

    def try_check(self) -> Typed:
        """A check of texts that are only tried."""
        return self._check(self._memory.branch())

    def modules(self) -> Mapping[str, tuple[str, ...]]:
        """The identities of the files that each `use` of the text leads to, those that are not there too."""
        uses = (d for d in self.document.declarations if isinstance(d, tree.Use))
        return {use.name.id: self._used(use) for use in uses}

    def used_file(self, path: str) -> Document:
        """The file that a path in the text names. Raises OSError, ValueError or `Unusable`."""
        return self._documents.document(self.files.identity(path))

    def beside(self, folder: str) -> list[Path]:
        """Other specs, and the folders, in a folder that the text may name in a `use`."""
        try:
            found = sorted((self._path.parent / folder).iterdir())
        except OSError:
            return []
        own = Path(self.identity)
        specs = [path for path in found if path.suffix == ".fuse" and path.resolve() != own]
        return specs + [path for path in found if path.is_dir() and not path.name.startswith(".")]

    def _used(self, use: tree.Use) -> tuple[str, ...]:
        path = use.path.literal
        if path is not None:
            try:
                return (self.files.identity(path),)
            except (OSError, ValueError, Unusable):
                return ()
        made = self.typed.values.get(use.name.id)
        found = made.values() if isinstance(made, dict) else (made,)
        sources = (one.checker.module.source.name for one in found if isinstance(one, Used))
        return tuple(dict.fromkeys(sources))

    def mended(self) -> str:
        """The text after every certain fix, as `fusec check --fix` leaves it."""

        def look(text: str) -> tuple[Source, Sequence[Diagnostic]]:
            source = Source(self.identity, text)
            return source, check(parse(source), self._facts, {}, installed, self.files).problems

        return mend(self.document.text, look).text

    def _facts(self, request: SourceRequest) -> SourceFacts | SourceProblem:
        if self._session is None:
            hint = "remove the lock and pin the sources again with `fusec lock`"
            return SourceProblem("damaged", "the lock beside the spec cannot be read", hint)
        return self._session.facts(request)


@contextmanager
def trying(documents: Documents, texts: Mapping[str, str]) -> Iterator[None]:
    """Other texts in some files for a while; the documents are as they were afterwards."""
    edited = {identity: documents.document(identity) for identity in texts}
    before = {identity: document.text for identity, document in edited.items()}
    try:
        for identity, document in edited.items():
            document.edit(texts[identity])
        yield
    finally:
        for identity, document in edited.items():
            document.edit(before[identity])
