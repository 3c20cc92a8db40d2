"""Small data sets on disk and a context to run kernels in."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from fusec.runtime.kernel import Artifact, Context, Meter
from fusec.runtime.kernels.data.stream import RowTable, open_rows, write_rows


class Bench:
    """Writes rows, runs a kernel on them, reads rows back."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.made = 0

    def folder(self) -> Path:
        self.made += 1
        folder = self.root / str(self.made)
        folder.mkdir()
        return folder

    def data(self, rows: list[dict[str, Any]] | pa.Table) -> Artifact:
        table = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows)
        folder = self.folder()
        write_rows(folder, table.schema, table.to_batches())
        return Artifact("data", folder, folder.name)

    def raw(self, table: pa.Table, batch_rows: int) -> Artifact:
        """As a writer other than ours might leave it, in batches of any size."""
        folder = self.folder()
        with (
            pa.OSFile(str(folder / "data.arrow"), "wb") as file,
            pa.ipc.new_stream(file, table.schema) as out,
        ):
            out.write_table(table, max_chunksize=batch_rows)
        return Artifact("data", folder, folder.name)

    def run(
        self, kernel: Callable[..., None], inputs: Any, slots: Any = (), seed: int | None = None
    ) -> Artifact:
        if isinstance(inputs, Artifact):
            inputs = {"data": inputs}
        elif isinstance(inputs, list):
            inputs = {"data": self.data(inputs)}
        folder = self.folder()
        kernel(inputs, dict(slots), Context(folder, lambda kind, **fields: None, Meter(), seed))
        return Artifact("data", folder, folder.name)

    def rows(self, artifact: Artifact) -> list[dict[str, Any]]:
        return open_rows(artifact).read_all().to_pylist()

    def bytes(self, artifact: Artifact) -> bytes:
        return (artifact.path / "data.arrow").read_bytes()

    def table(self, artifact: Artifact) -> RowTable:
        return RowTable(artifact)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture(scope="session")
def shared_bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """One folder for all examples of a property."""
    return Bench(tmp_path_factory.mktemp("bench"))
