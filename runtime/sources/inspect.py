"""`inspect`: the facts of a source from its headers."""

from __future__ import annotations

from pathlib import Path

from fusec.compiler.facts import (
    FilePin,
    SourceFacts,
    SourceProblem,
    SourceRequest,
    TokenizerSourceFacts,
    endpoint_facts,
)
from fusec.runtime.sources.data_facts import data_facts
from fusec.runtime.sources.delta_facts import delta_facts
from fusec.runtime.sources.fingerprints import header_pin
from fusec.runtime.sources.locate import Located, is_remote, locate
from fusec.runtime.sources.model_facts import model_facts, tokenizer_files
from fusec.runtime.sources.problems import Unusable
from fusec.runtime.sources.tokenizer_facts import tokenizer_facts


def inspect(
    request: SourceRequest, *, base: Path, download: bool = False, online: bool = True
) -> SourceFacts | SourceProblem:
    """What headers tell about a source: no tensor payload, at most the first block of a text file.

    Relative paths start at `base`. Of a folder on another machine the headers are fetched, unless `online` is
    false. A repository of the hub comes whole into its cache, and only with `download`. An endpoint is what
    the request states of it, and is never asked.
    """
    if request.is_endpoint:
        return endpoint_facts(request)
    try:
        if is_remote(request):
            return _remote(request, online)
        return _facts(request, locate(request, base, download=download))
    except Unusable as unusable:
        return unusable.problem
    except OSError as error:
        return SourceProblem(
            "missing", f"`{request.uri}` cannot be read: {error.strerror}", where=str(error.filename)
        )


def _facts(request: SourceRequest, located: Located) -> SourceFacts:
    match request.kind:
        case "model":
            return model_facts(request, located)
        case "delta":
            return delta_facts(request, located)
        case "data":
            return data_facts(request, located)
        case "tokenizer":
            return _tokenizer(request, located)


def _remote(request: SourceRequest, online: bool) -> SourceFacts:
    from fusec.runtime.sources.remote import looked_at

    if not online:
        what = f"`{request.uri}` is on another machine and not in the lock"
        raise Unusable("offline", what, hint="`fusec lock` looks at it", where=request.uri)
    with looked_at(request) as located:
        return _facts(request, located)


def _tokenizer(request: SourceRequest, located: Located) -> TokenizerSourceFacts:
    facts = tokenizer_facts(located.root)
    if facts is None:
        raise Unusable("missing", f"`{request.uri}` holds no tokenizer", where=located.root)
    files = tokenizer_files(located)
    return TokenizerSourceFacts(
        uri=request.uri,
        pin=header_pin(files),
        pinned_by_content=False,
        files=tuple(FilePin(file.name, file.size) for file in files),
        tokenizer=facts,
        revision=located.revision,
    )
