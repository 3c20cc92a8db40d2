"""A language server and what it has said so far; it never ends by a mistake."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from fusec import __version__
from fusec.cli.lsp.problems import diagnostic, once
from fusec.cli.lsp.workspace import Workspace
from fusec.lang.diagnostics import Diagnostic

DEBOUNCE = 0.15
"""Seconds without a change after which problems are told."""

log = logging.getLogger("fusec.lsp")
Answer = TypeVar("Answer")


class Server(LanguageServer):
    def __init__(self) -> None:
        super().__init__("fusec", __version__, text_document_sync_kind=lsp.TextDocumentSyncKind.Full)
        self.specs = Workspace()
        self.versions: dict[str, int] = {}
        self._waiting: dict[str, asyncio.TimerHandle] = {}
        self._said: dict[str, dict[str, list[Diagnostic]]] = {}

    def tell(self, uri: str) -> None:
        """Check an open spec and publish what is wrong with it and with the files it uses."""
        self._waiting.pop(uri, None)
        before = self._said.get(uri, {})
        found = self._said[uri] = self.specs.problems(self.specs.open[uri])
        for concerned in dict.fromkeys((uri, *before, *found)):
            self._publish(concerned)

    def tell_soon(self, *files: str) -> None:
        for uri in files:
            self._cancel(uri)
            later = asyncio.get_running_loop().call_later(DEBOUNCE, safe(self.tell), uri)
            self._waiting[uri] = later

    def close(self, uri: str) -> None:
        """Forget a file that was open, and what was said because of it."""
        self._cancel(uri)
        self.versions.pop(uri, None)
        for concerned in dict.fromkeys((uri, *self._said.pop(uri, {}))):
            self._publish(concerned)

    def _cancel(self, uri: str) -> None:
        if (timer := self._waiting.pop(uri, None)) is not None:
            timer.cancel()

    def _publish(self, uri: str) -> None:
        """What all open specs say of one file, the file itself first."""
        said = [self._said.get(uri, {}), *(found for by, found in self._said.items() if by != uri)]
        found = once(diagnostic(p, self.specs.uri) for one in said for p in one.get(uri, ()))
        params = lsp.PublishDiagnosticsParams(uri, found, self.versions.get(uri))
        self.text_document_publish_diagnostics(params)


def safe(handler: Callable[..., Answer]) -> Callable[..., Answer | None]:
    """The handler, answering nothing where it breaks: the mistake goes to the log. Refusals are answers."""

    @wraps(handler)
    def call(*args: Any) -> Answer | None:
        try:
            return handler(*args)
        except JsonRpcException:
            raise
        except Exception:
            log.exception("%s failed", handler.__name__)
            return None

    return call
