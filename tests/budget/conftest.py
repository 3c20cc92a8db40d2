"""A bench for merges over measured models: the same merge with all that the catalog knows, and without it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import fusec
from fusec.cli.main import dispatch
from fusec.runtime import reading
from fusec.runtime.manifest import Manifest, NodeRecord

BLOCK = 4096
Tensors = Mapping[str, torch.Tensor]


def bits(model: Tensors) -> dict[str, tuple[torch.dtype, bytes]]:
    return {n: (t.dtype, t.flatten().view(torch.uint8).numpy().tobytes()) for n, t in model.items()}


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def model(self, name: str, tensors: Tensors) -> Path:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text(json.dumps({"architectures": ["Tiny"], "vocab_size": 3}))
        save_file(dict(tensors), folder / "model.safetensors", {"format": "pt"})
        return folder

    def analyze(self, *names: str | Path, block: int = BLOCK) -> None:
        models = [str(self.folder / name) for name in names]
        told = ["--base", str(self.folder / "base"), "--store", str(self.folder / ".fusec")]
        assert dispatch(["catalog", "analyze", *models, *told, "--gram", "--block", str(block)]) == 0

    def spec(self, *steps: str, experts: Sequence[str], outputs: Sequence[str] = ("merged",)) -> Path:
        lines = ["edition 2026", 'model base from "./base"']
        lines += [
            f"{'delta' if n == 'lora' else 'model'} {n}: "
            f'{"Delta[_, root: base]" if n == "lora" else "Model[_, _, root: base]"} from "./{n}"'
            for n in experts
        ]
        lines += [*steps, *(f'output {name} to "./out/{name}"' for name in outputs)]
        path = self.folder / "spec.fuse"
        path.write_text("\n".join([*lines, ""]))
        return path

    def merge(self, experts: str, method: str, more: str = "") -> NodeRecord:
        """Runs one merge; `experts` as a spec lists them."""
        names = sorted({part.split(":")[0].strip() for part in experts.split(",")})
        said = f"model merged = merge {{ base: base, experts: [{experts}], method: {method}{more} }}"
        return record(self.run(self.spec(said, experts=names)))

    def run(self, spec: Path, store: Path | None = None) -> Manifest:
        return fusec.compile(spec).run(store=store)

    def merged(self) -> dict[str, tuple[torch.dtype, bytes]]:
        return bits(load_file(next((self.folder / "out/merged").glob("*.safetensors"))))

    def merged_anew(self) -> dict[str, tuple[torch.dtype, bytes]]:
        """The result of the last spec from a store that knows nothing."""
        shutil.rmtree(self.folder / "out/merged")
        self.run(self.folder / "spec.fuse", store=self.folder / "empty")
        return self.merged()


def record(manifest: Manifest, name: str = "merged") -> NodeRecord:
    return next(node for node in manifest.nodes if node.name == name)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Full reads look for savings in small blocks here, as budgets do."""
    monkeypatch.setattr(reading, "family_columns", partial(reading.family_columns, block=BLOCK))
    return Bench(tmp_path)
