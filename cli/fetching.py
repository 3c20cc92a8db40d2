"""A session that may use the network, which only `fusec lock` does."""

from __future__ import annotations

from fusec.compiler.facts import SourceFacts, SourceProblem, SourceRequest
from fusec.runtime.session import Session
from fusec.runtime.sources.inspect import inspect


class FetchingSession(Session):
    """Downloads what the Hugging Face cache lacks; everything else is as in `Session`."""

    def facts(self, request: SourceRequest) -> SourceFacts | SourceProblem:
        found = super().facts(request)
        if isinstance(found, SourceProblem) and found.kind == "missing" and request.uri.startswith("hf:"):
            found = self._seen[request] = inspect(request, base=self.base, download=True)
        return found
