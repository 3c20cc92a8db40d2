"""Model folders on disk, and the kernel called as an executor calls it."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from fusec.runtime.kernel import Artifact, Context, Meter, Method
from fusec.runtime.kernels import merge

Tensors = Mapping[str, torch.Tensor]

AVERAGE = Method("average")
LINEAR = Method("linear", {"normalize": True})
TASK_ARITHMETIC = Method("task_arithmetic", {"scale": 0.7, "normalize": False})
TIES = Method("ties", {"density": 0.3, "scale": 0.9, "normalize": True})


@pytest.fixture(params=[AVERAGE, LINEAR, TASK_ARITHMETIC, TIES], ids=lambda m: m.name)
def method(request: pytest.FixtureRequest) -> Method:
    return request.param


@pytest.fixture
def write_model(tmp_path: Path) -> Callable[..., Artifact]:
    """Writes tensors as a model folder: one file, or the shards given as lists of tensor names."""

    def write(
        name: str, tensors: Tensors, shards: Sequence[Sequence[str]] = (), config: Mapping[str, Any] = {}
    ) -> Artifact:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({"dtype": "bfloat16", **config}))
        if not shards:
            save_file(
                {n: t.clone() for n, t in tensors.items()},
                folder / "model.safetensors",
                metadata={"format": "pt"},
            )
        else:
            files = {f"model-{i}.safetensors": names for i, names in enumerate(shards)}
            for file, names in files.items():
                save_file({n: tensors[n].clone() for n in names}, folder / file)
            index = {"weight_map": {n: file for file, names in files.items() for n in names}}
            (folder / "model.safetensors.index.json").write_text(json.dumps(index))
        return Artifact("model", folder, name)

    return write


@pytest.fixture
def run_merge(tmp_path: Path) -> Callable[..., SimpleNamespace]:
    """Runs the kernel into a fresh folder; gives `tensors`, `files` (bytes by name), `meter`, `events`."""
    calls = iter(range(1000))

    def call(
        base: Artifact,
        experts: Sequence[Artifact | tuple[Artifact, float]],
        method: Method,
        threads: int = 1,
        **slots: Any,
    ) -> SimpleNamespace:
        out = tmp_path / f"merged{next(calls)}"
        out.mkdir()
        events: list[dict[str, Any]] = []
        meter = Meter()
        ctx = Context(
            out=out,
            emit=lambda kind, **fields: events.append({"kind": kind, **fields}),
            meter=meter,
            threads=threads,
        )
        pairs = tuple(e if isinstance(e, tuple) else (e, None) for e in experts)
        given = {"method": method, "keep": (), "dtype": None, "shard_size": None, **slots}
        merge.run({"base": base, "experts": pairs}, given, ctx)
        files = {p.name: p.read_bytes() for p in sorted(out.iterdir())}
        shards = [load_file(out / name) for name in files if name.endswith(".safetensors")]
        tensors = {n: t for shard in shards for n, t in shard.items()}
        return SimpleNamespace(folder=out, tensors=tensors, files=files, meter=meter, events=events)

    return call
