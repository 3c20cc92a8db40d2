"""A family on disk whose experts change some blocks a lot and others hardly, and the command line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from safetensors.numpy import save_file

from fusec.cli.main import dispatch
from fusec.runtime import catalog

BLOCKS, BLOCK = 8, 4096
TENSORS = ("model.layers.0.up.weight", "model.layers.1.up.weight", "norm.weight")
CHANGED = {"math": (0, 1, 2), "code": (2, 3), "law": (7,)}

SPEC = """edition 2026

param reads = 20%

model base from "./base"
model math: Model[_, _, root: base] from "./math"
model code: Model[_, _, root: base] from "./code"
model law: Model[_, _, root: base] from "./law"

model merged = merge {
  base: base
  experts: [math: 0.4, code: 0.4, law: 0.2]
  method: task_arithmetic
  keep: ["norm*"]
  expert_reads: reads
  block: 4096
}

output merged to "./out/merged"
"""


class Said(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str


@pytest.fixture
def fusec(capfd: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    def call(*args: object) -> Said:
        code = dispatch([str(arg) for arg in args])
        out, err = capfd.readouterr()
        return Said(code, out, err)

    return call


def write_model(folder: Path, tensors: dict[str, np.ndarray]) -> None:
    folder.mkdir()
    config = {"architectures": ["TinyForCausalLM"], "vocab_size": 8, "tie_word_embeddings": False}
    (folder / "config.json").write_text(json.dumps(config))
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


@pytest.fixture
def family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with `base`, `math`, `code`, `law` and `spec.fuse`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(catalog, "_RACY_SECONDS", 0)
    rng = np.random.default_rng(0)
    base = {name: rng.standard_normal(BLOCKS * BLOCK, np.float32) for name in TENSORS[:2]}
    base[TENSORS[2]] = np.ones(64, np.float32)
    write_model(tmp_path / "base", base)
    for name, blocks in CHANGED.items():
        sizes = np.full(BLOCKS, 1e-5, np.float32)
        sizes[list(blocks)] = 0.1
        changes = np.repeat(sizes, BLOCK) * rng.standard_normal((2, BLOCKS * BLOCK), np.float32)
        write_model(tmp_path / name, base | {t: base[t] + changes[k] for k, t in enumerate(TENSORS[:2])})
    (tmp_path / "spec.fuse").write_text(SPEC)
    return tmp_path


@pytest.fixture
def analysed(family: Path, fusec: Callable[..., Said]) -> Path:
    measured = fusec("catalog", "analyze", *CHANGED, "--base", "base", "--gram", "--block", BLOCK)
    assert measured.code == 0, measured.err
    return family


@pytest.fixture
def run(analysed: Path, fusec: Callable[..., Said]) -> Callable[..., Path]:
    """`run("--set", "reads=10%")`: the manifest of a run of the spec."""

    def call(*args: str, spec: str = "spec.fuse") -> Path:
        said = fusec("run", spec, "--json", *args)
        assert said.code == 0, said.err
        return Path(json.loads(said.out)["manifest"])

    return call


@pytest.fixture
def changed() -> dict[str, tuple[int, ...]]:
    """The blocks of both large tensors that each expert changed by more than a trace."""
    return CHANGED
