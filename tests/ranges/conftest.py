"""A family behind a server of ranges, and an object store of which contents have versions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from range_server import RangeServer, serving
from safetensors.numpy import save_file

from fusec.runtime.ranges import http, retrying


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients take a server for stalled soon."""
    monkeypatch.setattr(http, "TIMEOUT", 0.5)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RangeServer]:
    """A server of `tmp_path/www`; clients wait for nothing between attempts."""
    monkeypatch.setattr(retrying, "WAIT", 0.0)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    (tmp_path / "www").mkdir()
    with serving(tmp_path / "www") as running:
        yield running


TOKENIZER = {"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", "b"]]}}


def write_model(folder: Path, tensors: dict[str, np.ndarray], shards: int = 1) -> Path:
    """A model folder with a tokenizer; its tensors by turns in so many shards."""
    folder.mkdir(parents=True)
    config = {"architectures": ["TinyForCausalLM"], "vocab_size": 3, "tie_word_embeddings": False}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text(json.dumps(TOKENIZER))
    names = sorted(tensors)
    if shards == 1:
        save_file(tensors, folder / "model.safetensors")
        return folder
    files = {f"model-{i}.safetensors": names[i::shards] for i in range(shards)}
    for file, held in files.items():
        save_file({name: tensors[name] for name in held}, folder / file)
    index = {"weight_map": {name: file for file, held in files.items() for name in held}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


def tensors(seed: int, elements: int = 3000) -> dict[str, np.ndarray]:
    """Three float32 tensors of one family."""
    rng = np.random.default_rng(seed)
    shapes = {"embed.weight": (3, 8), "layer.weight": (elements,), "lm_head.weight": (3, 8)}
    return {name: rng.standard_normal(shape, np.float32) for name, shape in shapes.items()}


@pytest.fixture(name="write_model")
def _write_model() -> Callable[..., Path]:
    return write_model


@pytest.fixture
def family(server: RangeServer) -> Path:
    """`base`, `math` and `code` below the root of the server, `math` in two shards."""
    for seed, (name, shards) in enumerate((("base", 1), ("math", 2), ("code", 1))):
        write_model(server.root / name, tensors(seed), shards)
    return server.root


class Versioned(MemoryFileSystem):
    """An object store: every content has an ETag."""

    protocol = "versioned"
    store: dict[str, object] = {}
    pseudo_dirs = [""]
    cut = 0

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.replace("versioned://", "memory://"))

    def info(self, path, **kwargs):
        found = super().info(path, **kwargs)
        return found | {"ETag": f'"{hash(self.cat_whole(path))}"'} if found["type"] == "file" else found

    def cat_whole(self, path):
        return super().cat_file(path)

    def cat_file(self, path, start=None, end=None, **kwargs):
        content = super().cat_file(path, start=start, end=end, **kwargs)
        if Versioned.cut:
            Versioned.cut -= 1
            return content[:-1]
        return content


@pytest.fixture
def versioned() -> Iterator[type[Versioned]]:
    """The file system `versioned://`; with `cut` its next answers are too short."""
    fsspec.register_implementation("versioned", Versioned, clobber=True)
    yield Versioned
    Versioned.cut = 0
