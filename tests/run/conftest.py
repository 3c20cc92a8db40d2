"""Real folders of a tiny model family, and specs run the way the command runs them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from fusec.lang.render import render
from fusec.runtime.executors.local import Ran, run_plan
from fusec.runtime.executors.options import Options
from fusec.runtime.kernel import Artifact, Context, Meter
from fusec.runtime.kernels import train_tokenizer
from fusec.runtime.kernels.data.stream import write_rows
from fusec.runtime.session import Session
from fusec.runtime.store import Store

TEXT = "A compiler reads a spec, proves that it can work, and says what it will cost before it runs. " * 3


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer folder of 280 tokens."""
    import pyarrow as pa

    folder = tmp_path_factory.mktemp("tokenizer")
    data, out = folder / "data", folder / "out"
    data.mkdir()
    out.mkdir()
    rows = pa.record_batch({"text": [TEXT]})
    write_rows(data, rows.schema, iter([rows]))
    ctx = Context(out=out, emit=lambda kind, **fields: None, meter=Meter())
    inputs = {"data": (("", Artifact("data", data, "data")),)}
    train_tokenizer.run(inputs, {"vocab": 280, "column": "text"}, ctx)
    return out


@pytest.fixture(scope="session")
def family(tmp_path_factory: pytest.TempPathFactory, tokenizer: Path) -> Path:
    """`base`, `math` and `code`: bf16 in two shards, one ancestor, tied heads, a shared tokenizer."""
    root = tmp_path_factory.mktemp("family")
    config = LlamaConfig(
        vocab_size=280,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        tie_word_embeddings=True,
    )
    torch.manual_seed(3)
    net = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    for seed, name in enumerate(("base", "math", "code")):
        if seed:
            generator = torch.Generator().manual_seed(seed)
            with torch.no_grad():
                for weight in net.parameters():
                    weight += 0.01 * torch.randn(weight.shape, generator=generator).to(weight.dtype)
        net.save_pretrained(root / name, max_shard_size="30KB")
        for file in tokenizer.iterdir():
            (root / name / file.name).write_bytes(file.read_bytes())
        if seed:
            (root / name / "README.md").write_text("---\nbase_model: ./base\n---\n")
    return root


MERGE = """edition 2026

model base from "./base"
model math: Model[_, _, root: base] from "./math"
model code: Model[_, _, root: base] from "./code"

model merged = merge {
  base: base
  experts: [math: 0.4, code: 0.6]
  method: linear
}

output merged to "./out/merged"
"""


class Bench:
    """A folder with a spec in it, run as often as a test likes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def spec(self, text: str, name: str = "spec.fuse") -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def run(self, text: str, *, store: str = ".fusec", **settings: str) -> Ran:
        """Check, lock, plan and run; an error of the spec fails the test with its message."""
        session = Session(self.spec(text), settings, self.folder / store)
        opened = Store(self.folder / store)
        try:
            checked = session.check()
            assert not checked.failed, "\n".join(render(p) for p in checked.problems)
            session.lock(checked, digest=opened.catalog.file_digest)
            checked = session.check()
            stored = {row.id for row in opened.catalog.objects()}
            return run_plan(session.plan(checked, stored=stored), opened, self.folder, Options(threads=2))
        finally:
            opened.close()

    def visible(self) -> list[str]:
        """What a user would see below `out/`."""
        return sorted(p.relative_to(self.folder).as_posix() for p in self.folder.glob("out/*"))

    def rows(self, name: str, rows: list[dict[str, object]]) -> None:
        (self.folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def family_bench(tmp_path: Path, family: Path) -> Bench:
    """A bench with its own copy of the family, so that a test may damage it."""
    import shutil

    shutil.copytree(family, tmp_path, dirs_exist_ok=True)
    return Bench(tmp_path)


@pytest.fixture
def merge_spec() -> str:
    return MERGE


@pytest.fixture
def listing() -> Callable[[Path], dict[str, bytes]]:
    """Every file below a folder with its bytes, as a user sees it: a killed run may leave a hidden lease."""

    def read(folder: Path) -> dict[str, bytes]:
        named = {p.relative_to(folder).as_posix(): p for p in sorted(folder.rglob("*")) if p.is_file()}
        return {
            name: path.read_bytes()
            for name, path in named.items()
            if not any(part.startswith(".") for part in name.split("/"))
        }

    return read
