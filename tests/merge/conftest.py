"""Model folders on disk, and the kernel called as an executor calls it."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from fusec.compiler.step import methods_of
from fusec.runtime.kernel import Artifact, Context, Meter, Method
from fusec.runtime.kernels import merge
from fusec.runtime.kernels.merge import tiles, units

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
        given = {"method": method, "rules": (), "keep": (), "dtype": None, "shard_size": None, **slots}
        merge.run({"base": base, "experts": pairs}, given, ctx)
        files = {p.name: p.read_bytes() for p in sorted(out.iterdir())}
        shards = [load_file(out / name) for name in files if name.endswith(".safetensors")]
        tensors = {n: t for shard in shards for n, t in shard.items()}
        return SimpleNamespace(folder=out, tensors=tensors, files=files, meter=meter, events=events)

    return call


@pytest.fixture
def assert_cut_is_free(
    write_model: Callable[..., Artifact],
    run_merge: Callable[..., SimpleNamespace],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., None]:
    """Merges models whole, then in other tiles, shards, orders and on other threads: the same files."""

    def check(models: Sequence[Tensors], method: Method, weights: Sequence[float] | None = None) -> None:
        def weighted(artifacts: Sequence[Artifact]) -> list[Any]:
            return list(artifacts) if weights is None else list(zip(artifacts, weights, strict=True))

        whole = [write_model(f"m{i}", model) for i, model in enumerate(models)]
        want = run_merge(whole[0], weighted(whole[1:]), method).files
        names = sorted(models[0])
        shards = [names[::2], names[1::2]]
        sharded = [
            Artifact("model", write_model(f"s{i}", model, shards).path, f"m{i}")
            for i, model in enumerate(models)
        ]
        monkeypatch.setattr(units, "SPAN", 100)
        for threads, working_set in ((1, 200), (3, 3000), (4, 200)):
            monkeypatch.setattr(tiles, "WORKING_SET", working_set)
            experts = weighted(sharded[1:])[::-1]
            assert run_merge(sharded[0], experts, method, threads=threads).files == want

    return check


@pytest.fixture
def assert_reads_as_planned(
    write_model: Callable[..., Artifact], run_merge: Callable[..., SimpleNamespace]
) -> Callable[..., None]:
    """Merges models and compares the bytes read with the passes that the method declares."""

    def check(models: Sequence[Tensors], method: Method) -> None:
        artifacts = [write_model(f"r{i}", model) for i, model in enumerate(models)]
        meter = run_merge(artifacts[0], artifacts[1:], method).meter
        passes = methods_of("merge")[method.name](**method.args).passes(len(models) - 1)
        sizes = [sum(t.numel() * t.element_size() for t in model.values()) for model in models]
        assert meter.expert_bytes == passes.experts * sum(sizes[1:])
        assert meter.bytes_read - meter.expert_bytes == passes.base * sizes[0]

    return check
