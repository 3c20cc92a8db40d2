"""Sources made in a second: a folder of files, a tiny model folder."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from fusec.compiler.facts import DataFacts, SourceProblem, SourceRequest
from fusec.runtime.kernel import Context, Meter
from fusec.runtime.kernels.data.stream import DATA_FILE
from fusec.runtime.sources import inspect, open_data, pin


class Desk:
    """A folder that stands for the folder of a spec."""

    def __init__(self, base: Path, out: Path) -> None:
        self.base, self.out, self.opened = base, out, 0

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def ask(self, uri: str, **options: Any) -> SourceRequest:
        return SourceRequest("data", uri, tuple(sorted(options.items())))

    def facts(self, uri: str, **options: Any) -> DataFacts:
        facts = inspect(self.ask(uri, **options), base=self.base)
        assert isinstance(facts, DataFacts), facts
        return facts

    def problem(self, uri: str, *, pinning: bool = False, **options: Any) -> SourceProblem:
        request = self.ask(uri, **options)
        found = inspect(request, base=self.base)
        if pinning:
            assert not isinstance(found, SourceProblem), found
            found = pin(request, found, base=self.base)
        assert isinstance(found, SourceProblem), found
        return found

    def pinned(self, uri: str, **options: Any) -> DataFacts:
        facts = pin(self.ask(uri, **options), self.facts(uri, **options), base=self.base)
        assert isinstance(facts, DataFacts), facts
        return facts

    def open(self, uri: str, facts: DataFacts | None = None, **options: Any) -> pa.Table:
        self.opened += 1
        out = self.out / str(self.opened)
        ctx = Context(out, lambda kind, **fields: None, Meter())
        request = self.ask(uri, **options)
        open_data(request, facts or self.pinned(uri, **options), base=self.base, out=out, ctx=ctx)
        return pa.ipc.open_stream((out / DATA_FILE).read_bytes()).read_all()

    def rows(self, uri: str, **options: Any) -> list[dict[str, Any]]:
        return self.open(uri, **options).to_pylist()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    for name in ("spec", "out"):
        (tmp_path / name).mkdir()
    return Desk(tmp_path / "spec", tmp_path / "out")


TOKENIZER = {
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "<eos>": 3}, "merges": [["a", "b"]]},
    "added_tokens": [{"id": 3, "content": "<eos>"}],
}


def safetensors(tensors: dict[str, tuple[str, list[int], int]]) -> tuple[bytes, int]:
    """Header bytes of (dtype, shape, bytes per element), and the payload size."""
    header, at = {}, 0
    for name, (dtype, shape, width) in tensors.items():
        size = width
        for edge in shape:
            size *= edge
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text, at


@pytest.fixture
def model(tmp_path: Path) -> Callable[..., Path]:
    """Writes a model folder whose payload is a hole in the file: its size costs nothing."""

    def write(name: str, rows: int = 4, width: int = 8, **config: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        header, payload = safetensors(
            {
                "model.embed_tokens.weight": ("BF16", [rows, width], 2),
                "model.norm.weight": ("F32", [width], 4),
                "lm_head.weight": ("BF16", [rows, width], 2),
            }
        )
        with (folder / "model.safetensors").open("wb") as file:
            file.write(header)
            file.truncate(len(header) + payload)
        settings = {"architectures": ["LlamaForCausalLM"], "vocab_size": rows, **config}
        (folder / "config.json").write_text(json.dumps(settings))
        (folder / "tokenizer.json").write_text(json.dumps(TOKENIZER))
        return folder

    return write
