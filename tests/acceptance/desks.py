"""Small models on disk, and a desk that merges them the way a user does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

import fusec
from fusec.cli.main import dispatch
from fusec.compiler.identity import graph_ids
from fusec.runtime.manifest import Manifest, NodeRecord

Tensors = Mapping[str, torch.Tensor]

BLOCK = 4096
"""Elements per block, the fewest there are."""

TOKENIZER = {"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", "b"]]}}


def save_model(
    folder: Path, tensors: Tensors, shards: Sequence[Sequence[str]] = (), **config: object
) -> Path:
    """A model folder with a tokenizer: one file, or the shards given as lists of tensor names."""
    folder.mkdir(parents=True, exist_ok=True)
    told = {"architectures": ["TinyForCausalLM"], "vocab_size": 3, "tie_word_embeddings": False, **config}
    (folder / "config.json").write_text(json.dumps(told))
    (folder / "tokenizer.json").write_text(json.dumps(TOKENIZER))
    if not shards:
        save_file({n: t.clone() for n, t in tensors.items()}, folder / "model.safetensors", {"format": "pt"})
        return folder
    files = {f"model-{i}.safetensors": names for i, names in enumerate(shards)}
    for file, names in files.items():
        save_file({name: tensors[name].clone() for name in names}, folder / file, {"format": "pt"})
    index = {"weight_map": {name: file for file, names in files.items() for name in names}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


def save_aligned(folder: Path, tensors: Tensors) -> Path:
    """A model of one file whose tensors begin at a page, so that a block takes no more pages than it must."""
    file = save_model(folder, tensors) / "model.safetensors"
    start = 8 + int.from_bytes(file.read_bytes()[:8], "little")
    # `"pad":"",` and the comma take 9 bytes of the header.
    padding = -(start + 9) % 4096
    save_file({n: t.clone() for n, t in tensors.items()}, file, {"format": "pt", "pad": "x" * padding})
    start = 8 + int.from_bytes(file.read_bytes()[:8], "little")
    assert start % 4096 == 0
    return folder


def load_model(folder: Path) -> dict[str, torch.Tensor]:
    return {n: t for file in sorted(folder.glob("*.safetensors")) for n, t in load_file(file).items()}


def bits(tensor: torch.Tensor) -> bytes:
    return tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes() if tensor.numel() else b""


def same_bits(got: Tensors, want: Tensors) -> bool:
    return got.keys() == want.keys() and all(
        (got[n].dtype, got[n].shape, bits(got[n])) == (want[n].dtype, want[n].shape, bits(want[n]))
        for n in want
    )


class Desk:
    """A folder with models and one spec that merges them into `out`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def spec(
        self,
        experts: Sequence[str] = ("math", "code"),
        method: str = "task_arithmetic",
        *,
        weights: Sequence[float] | None = None,
        places: Mapping[str, str] = {},
        **slots: object,
    ) -> Path:
        """`experts` may name one twice; `places` says where a model lies if not in the folder of its name."""
        names = dict.fromkeys(experts)
        lines = ["edition 2026", f'model base from "{places.get("base", "./base")}"']
        lines += [f'model {n}: Model[_, _, root: base] from "{places.get(n, f"./{n}")}"' for n in names]
        said = [f"{n}: {w}" for n, w in zip(experts, weights, strict=True)] if weights else experts
        body = {"base": "base", "experts": f"[{', '.join(said)}]", "method": method, **slots}
        lines += ["model merged = merge {", *(f"  {slot}: {value}" for slot, value in body.items()), "}"]
        path = self.folder / "spec.fuse"
        path.write_text("\n".join([*lines, 'output merged to "./out"', ""]))
        return path

    def budgeted(self, reads: str, *args: object, **slots: object) -> Path:
        return self.spec(*args, expert_reads=reads, block=BLOCK, **slots)  # type: ignore[arg-type]

    def analyze(self, *experts: str, gram: bool = True, block: int = BLOCK) -> None:
        """Measures the experts, all folders beside the base by default, into the catalog."""
        found = experts or sorted(p.parent.name for p in self.folder.glob("*/config.json"))
        models = [str(self.folder / n) for n in found if n not in ("base", "out")]
        told = ["--base", str(self.folder / "base"), "--store", str(self.folder / ".fusec")]
        assert (
            dispatch(["catalog", "analyze", *models, *told, "--block", str(block), *["--gram"] * gram]) == 0
        )

    def run(self, spec: Path | None = None, **options: object) -> Manifest:
        return fusec.compile(spec or self.folder / "spec.fuse").run(**options)  # type: ignore[arg-type]

    def merged(self) -> dict[str, torch.Tensor]:
        return load_model(self.folder / "out")

    def ids(self) -> Mapping[str, str]:
        """The identity of every node, once sources are pinned; experts are summed in the order of theirs."""
        return graph_ids(fusec.compile(self.folder / "spec.fuse").planned.graph())

    def manifest_path(self, manifest: Manifest) -> Path:
        return self.folder / ".fusec/runs" / manifest.run / "manifest.json"

    def python(self, program: str, *args: object, **env: str) -> subprocess.CompletedProcess[str]:
        """Runs a program in a fresh process, in this folder."""
        command = [sys.executable, "-c", program, *map(str, args)]
        return subprocess.run(
            command, cwd=self.folder, env={**os.environ, **env}, capture_output=True, text=True, timeout=280
        )


def merge_record(manifest: Manifest) -> NodeRecord:
    (node,) = (node for node in manifest.nodes if node.verb == "merge")
    return node
