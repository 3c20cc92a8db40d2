"""`open_*`: content that was checked against its pin, for kernels to read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fusec.compiler.facts import (
    DataFacts,
    DeltaFacts,
    ModelFacts,
    SourceFacts,
    SourceRequest,
    TokenizerSourceFacts,
)
from fusec.runtime.kernel import Context, RunError
from fusec.runtime.sources.data_facts import READERS
from fusec.runtime.sources.locate import Located, SourceFile, is_remote, locate
from fusec.runtime.sources.pinning import match_files
from fusec.runtime.sources.problems import Unusable
from fusec.runtime.sources.reads import Digest, file_sha256

if TYPE_CHECKING:
    import pyarrow as pa


def open_model(
    request: SourceRequest,
    facts: ModelFacts | DeltaFacts,
    *,
    base: Path,
    digest: Digest | None = None,
    cache: Path | None = None,
    whole: bool = True,
    sealed: bool = False,
) -> Path:
    """The folder of a pinned model or delta, every size checked, and every byte where `digest` is given;
    with `sealed` but for those of weights on this machine, which their reader checks block by block.

    A remote one comes into `cache` (that of the default store if None) and stays there. Its weights come with
    it if `whole`, and are otherwise stand-ins that are read in ranges (`fusec.runtime.ranges`), held to the
    version of the pin.
    """
    if is_remote(request):
        return _fetched(request, facts, base, cache, whole)
    located, _ = _checked(request, facts, base, digest, sealed=sealed)
    return located.root


def open_tokenizer(
    request: SourceRequest, facts: TokenizerSourceFacts, *, base: Path, cache: Path | None = None
) -> Path:
    """The folder of a pinned tokenizer, checked by content; a remote one comes into `cache`."""
    if is_remote(request):
        return _fetched(request, facts, base, cache, whole=True)
    located, _ = _checked(request, facts, base, file_sha256)
    return located.root


def open_data(
    request: SourceRequest,
    facts: DataFacts,
    *,
    base: Path,
    out: Path,
    ctx: Context,
    digest: Digest = file_sha256,
) -> None:
    """Writes the rows of a pinned data source as `out/data.arrow`.

    The files are checked against the pin before the first row is read.
    """
    from fusec.runtime.kernels.data.stream import write_rows

    assert facts.pinned_by_content
    _, files = _checked(request, facts, base, digest)
    options = {**dict(request.options), "format": facts.format}
    try:
        schema = _schema(facts, files)
        rows = READERS[facts.format].read(files, options, schema)
        written = write_rows(out, schema, _reported(rows, facts, ctx))
    except Unusable as unusable:
        raise RunError(unusable.problem.what, hint=unusable.problem.hint) from unusable
    assert written.rows == facts.rows
    ctx.meter.bytes_read += facts.bytes
    ctx.meter.bytes_written += written.bytes


def require_unchanged(request: SourceRequest, facts: SourceFacts, *, base: Path, digest: Digest) -> None:
    """Raises `RunError` when a source lies at its place and is not what was pinned.

    A result that is reused reads no source, and without this look an edited file would change nothing and
    say nothing. A source that is gone is the business of those who need it.
    """
    if request.is_endpoint:
        return
    if is_remote(request):
        from fusec.runtime.sources.remote import require_same

        return require_same(request, facts.files)
    try:
        locate(request, base)
    except (Unusable, OSError):
        return
    _checked(request, facts, base, digest)


def _fetched(request: SourceRequest, facts: SourceFacts, base: Path, cache: Path | None, whole: bool) -> Path:
    from fusec.runtime.sources.remote import fetch

    try:
        return fetch(request, facts.files, facts.pin, cache or base / ".fusec" / "remote", whole=whole)
    except Unusable as unusable:
        raise RunError(unusable.problem.what, hint=unusable.problem.hint) from unusable


def _checked(
    request: SourceRequest, facts: SourceFacts, base: Path, digest: Digest | None, *, sealed: bool = False
) -> tuple[Located, tuple[SourceFile, ...]]:
    try:
        located = locate(request, base)
        files = match_files(located, facts)
        for file, listed in zip(files, facts.files, strict=True):
            hashed = digest if not (sealed and file.path.suffix == ".safetensors") else None
            if file.size != listed.size or (hashed and hashed(file.path) != listed.sha256):
                raise RunError(
                    f"FUSE402: {file.name} of `{facts.uri}` changed since it was locked",
                    hint="`fusec lock --update` takes it as it is now",
                )
    except Unusable as unusable:
        raise RunError(unusable.problem.what, hint=unusable.problem.hint) from unusable
    except OSError as error:
        raise RunError(f"{error.filename} cannot be read: {error.strerror}") from error
    return located, files


def _schema(facts: DataFacts, files: tuple[SourceFile, ...]) -> pa.Schema:
    from fusec.runtime.sources.arrow_types import columns_schema
    from fusec.runtime.sources.parquet_rows import stored_schema

    return stored_schema(files[0]) if facts.format == "parquet" else columns_schema(facts.columns)


def _reported(rows: Iterator[pa.RecordBatch], facts: DataFacts, ctx: Context) -> Iterator[pa.RecordBatch]:
    done = 0
    for batch in rows:
        yield batch
        done += len(batch)
        ctx.emit("progress", done=done, total=facts.rows, unit="rows")
