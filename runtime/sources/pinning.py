"""`pin`: every byte of a source, read once, or the version that a server holds it to, as one hash."""

from __future__ import annotations

from pathlib import Path

import msgspec

from fusec.compiler.facts import (
    DataFacts,
    DeltaFacts,
    EndpointFacts,
    FilePin,
    ModelFacts,
    SourceFacts,
    SourceProblem,
    SourceRequest,
    TokenizerSourceFacts,
)
from fusec.runtime.sources.data_facts import READERS
from fusec.runtime.sources.fingerprints import content_pin, rows_pin
from fusec.runtime.sources.locate import Located, SourceFile, is_remote, locate
from fusec.runtime.sources.problems import Unusable
from fusec.runtime.sources.reads import Digest, file_sha256


def pin(
    request: SourceRequest, facts: SourceFacts, *, base: Path, digest: Digest = file_sha256
) -> SourceFacts | SourceProblem:
    """The facts with the SHA-256 of every file; for data also the row count and the final columns.

    Reads payload; of a remote file only where its server gives no version to hold it to. `digest` may
    remember what it hashed, as long as it notices changed files.
    """
    if isinstance(facts, EndpointFacts):
        return facts
    try:
        if is_remote(request):
            return _pin_remote(request, facts)
        located = locate(request, base)
        files = match_files(located, facts)
        pins = tuple(FilePin(file.name, file.size, digest(file.path)) for file in files)
        if isinstance(facts, DataFacts):
            return _pin_rows(request, facts, files, pins)
        return _pin_files(facts, pins)
    except Unusable as unusable:
        return unusable.problem
    except OSError as error:
        return SourceProblem(
            "missing", f"`{request.uri}` cannot be read: {error.strerror}", where=str(error.filename)
        )


def _pin_remote(request: SourceRequest, facts: SourceFacts) -> SourceFacts:
    from fusec.runtime.sources.remote import content_of, looked_at

    with looked_at(request) as located:
        files = match_files(located, facts)
        pins = tuple(FilePin(file.name, file.size, content_of(file.path)) for file in files)
    return _pin_files(facts, pins)  # type: ignore[arg-type]  # no endpoints, and no data behind addresses


def match_files(located: Located, facts: SourceFacts) -> tuple[SourceFile, ...]:
    """The files that the facts list, in their order."""
    found = {file.name: file for file in located.files}
    for listed in facts.files:
        if listed.name not in found:
            raise Unusable(
                "missing",
                f"{listed.name} of `{facts.uri}` is gone",
                hint="put it back, or take the source as it is now with `fusec lock --update`",
                where=located.root,
            )
    return tuple(found[listed.name] for listed in facts.files)


def _pin_files(
    facts: ModelFacts | DeltaFacts | TokenizerSourceFacts, pins: tuple[FilePin, ...]
) -> ModelFacts | DeltaFacts | TokenizerSourceFacts:
    return msgspec.structs.replace(facts, files=pins, pin=content_pin(pins), pinned_by_content=True)


def _pin_rows(
    request: SourceRequest, facts: DataFacts, files: tuple[SourceFile, ...], pins: tuple[FilePin, ...]
) -> DataFacts:
    columns, rows = READERS[facts.format].scan(files, {**dict(request.options), "format": facts.format})
    return msgspec.structs.replace(
        facts,
        files=pins,
        pin=rows_pin(pins, facts.format, request.options, columns),
        pinned_by_content=True,
        columns=columns,
        rows=rows,
        bytes=sum(file.size for file in pins),
    )
