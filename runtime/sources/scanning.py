"""A data source read where it lies, for a pass over its rows: with the columns and row groups it needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fusec.compiler.facts import DataFacts, SourceRequest
from fusec.runtime.kernel import RunError
from fusec.runtime.sources.data_facts import READERS
from fusec.runtime.sources.opening import _checked, _schema
from fusec.runtime.sources.parquet_rows import LeavesOut, read_groups
from fusec.runtime.sources.problems import Unusable
from fusec.runtime.sources.reads import Digest

if TYPE_CHECKING:
    import pyarrow as pa


class SourceScan:
    """The rows of a pinned source, as often as needed; `bytes_read` counts those of its files.

    The files are checked against the pin before the first row is read. Of Parquet only `columns` (all if
    None) and the row groups that a reader does not leave out are read, and their compressed bytes count.
    """

    def __init__(
        self,
        request: SourceRequest,
        facts: DataFacts,
        columns: Sequence[str] | None,
        *,
        base: Path,
        digest: Digest,
    ) -> None:
        assert facts.pinned_by_content
        self.bytes_read = 0
        self._facts = facts
        _, self._files = _checked(request, facts, base, digest)
        self._options = {**dict(request.options), "format": facts.format}
        try:
            self._whole = _schema(facts, self._files)
        except Unusable as unusable:
            raise RunError(unusable.problem.what, hint=unusable.problem.hint) from unusable
        self.schema = self._whole if columns is None else _part(self._whole, columns)

    def batches(self, leaves_out: LeavesOut | None = None) -> Iterator[pa.RecordBatch]:
        """The rows in batches, without the row groups of whose statistics `leaves_out` is true."""
        try:
            if self._facts.format == "parquet":
                for size, batch in read_groups(self._files, self.schema, leaves_out):
                    self.bytes_read += size
                    yield batch
            else:
                self.bytes_read += self._facts.bytes
                for batch in READERS[self._facts.format].read(self._files, self._options, self._whole):
                    yield batch.select(self.schema.names)
        except Unusable as unusable:
            raise RunError(unusable.problem.what, hint=unusable.problem.hint) from unusable


def _part(schema: pa.Schema, columns: Sequence[str]) -> pa.Schema:
    import pyarrow as pa

    return pa.schema([schema.field(name) for name in columns])
