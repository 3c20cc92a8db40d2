"""Optimized or not, the same bytes: generated specs and the quickstart, run both ways and compared."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from random import Random

import numpy as np
import pytest
from safetensors.numpy import save_file

from fusec.cli.main import dispatch
from fusec.compiler.passes import OPTIONAL

SPECS = Path(__file__).parents[2] / "specs"
WITHOUT = [word for name in OPTIONAL for word in ("--without", name)]
HEAD = """edition 2026

data rows from "./rows.jsonl"
model base from "./base"
model m0: Model[_, _, root: base] from "./m0"
model m1: Model[_, _, root: base] from "./m1"
model m2: Model[_, _, root: base] from "./m2"
"""
METHODS = (
    "average",
    "linear",
    "task_arithmetic(scale: 0.5)",
    "ties(density: 0.5)",
    "dare_linear(density: 0.5, seed: 3)",
)
VERBS = (
    "filter {{ keep: .n > {small} }}",
    "filter {{ keep: len(.text) < {large} and .n != {small} }}",
    'derive {{ more: "{{.text}}!" }}',
    "derive {{ double: .n * 2 }}",
    "select {{ text: .text, n: .n }}",
    "select {{ text: .text, n: .n + 1 }}",
    "shuffle {{ seed: {small} }}",
    "sample {{ share: 60%, seed: {small} }}",
    "filter {{ keep: .n < 1000 }}",
)
NUMBERED = 9
NOTES = ("README.md", ".fusec.json")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with rows, a base and three models made from it."""
    folder = tmp_path_factory.mktemp("world")
    draw = np.random.default_rng(5)
    rows = [{"text": "word " * int(draw.integers(1, 9)), "n": n % NUMBERED} for n in range(60)]
    (folder / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    names = ("model.layers.0.up.weight", "model.layers.1.up.weight", "norm.weight")
    base = {name: draw.standard_normal((32, 16), np.float32) for name in names}
    for model in ("base", "m0", "m1", "m2"):
        (folder / model).mkdir()
        config = {"architectures": ["TinyForCausalLM"], "vocab_size": 8, "tie_word_embeddings": False}
        (folder / model / "config.json").write_text(json.dumps(config))
        change = 0.0 if model == "base" else 0.1
        tensors = {
            n: t + np.float32(change) * draw.standard_normal(t.shape, np.float32) for n, t in base.items()
        }
        save_file(tensors, folder / model / "model.safetensors", {"format": "pt"})
    return folder


def generated(seed: int) -> str:
    """A spec of merges, deltas, chains of row verbs and splits that share parts and leave some unused."""
    draw = Random(seed)
    data, models = ["rows"], ["m0", "m1", "m2"]
    lines = list(chain(_of_rows(draw, data), _of_models(draw, models)))
    wanted = draw.sample(data[1:], min(3, len(data) - 1)) + draw.sample(models[3:], min(2, len(models) - 3))
    goals = [f'output {name} to "./out/{name}{_suffix(name)}"' for name in wanted]
    return "\n".join((HEAD, *lines, *goals)) + "\n"


def _suffix(name: str) -> str:
    return ".jsonl" if name.startswith("d") else ""


def _of_rows(draw: Random, data: list[str]) -> Iterator[str]:
    for n in range(draw.randint(2, 5)):
        start = draw.choice(data)
        verbs = draw.choices(VERBS, k=draw.randint(1, 4))
        steps = [verb.format(small=draw.randint(0, 3), large=draw.randint(20, 40)) for verb in verbs]
        yield f"data d{n} = {' |> '.join([start, *steps])}"
        if draw.random() < 0.3:  # the same once more, under another name
            yield f"data d{n}_again = {' |> '.join([start, *steps])}"
            data.append(f"d{n}_again")
        data.append(f"d{n}")
    if draw.random() < 0.5:
        yield f"data parts = {draw.choice(data)} |> split {{ test: 30%, seed: 3 }}"
        yield "data d_held = parts.test |> filter { keep: .n > 0 }"
        data.append("d_held")


def _of_models(draw: Random, models: list[str]) -> Iterator[str]:
    scale = draw.choice((0.25, 0.5))
    yield f"let scale = {scale}"
    for n in range(draw.randint(1, 3)):
        experts = draw.sample(models, 2)
        weights = [f"{name}: {draw.choice((0.5, 0.75))}" for name in experts]
        method = draw.choice((*METHODS, "task_arithmetic(scale: scale)"))
        listed = ", ".join(weights if method == "linear" else experts)
        yield f"model x{n} = merge {{ base: base, experts: [{listed}], method: {method} }}"
        if draw.random() < 0.5:
            yield f"model x{n}_b = merge {{ base: base, experts: {experts}, method: average }}".replace(
                "'", ""
            )
            models.append(f"x{n}_b")
        if draw.random() < 0.3:
            yield f"delta t{n} = {experts[0]} |> task_vector {{ base: base }}"
            yield (
                f"model x{n}_t = merge {{ base: base, experts: [t{n}, {experts[1]}], "
                "method: task_arithmetic(scale: 0.5) }"
            )
            models.append(f"x{n}_t")
        models.append(f"x{n}")


def made(spec: Path, store: Path, *words: str) -> dict[str, bytes]:
    """What a run publishes, file by file, without cards and lineage: they tell of steps by name."""
    out = spec.parent / "out"
    shutil.rmtree(out, ignore_errors=True)
    assert dispatch(["run", str(spec), "--store", str(store), *words]) == 0
    files = (path for path in sorted(out.rglob("*")) if path.is_file() and path.name not in NOTES)
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


def same_both_ways(spec: Path, tmp_path: Path, *words: str) -> None:
    optimized = made(spec, tmp_path / "optimized", *words)
    assert optimized
    assert made(spec, tmp_path / "plain", *words, *WITHOUT) == optimized


def of_seed(world: Path, tmp_path: Path, seed: int) -> None:
    spec = world / f"spec{seed}.fuse"
    spec.write_text(generated(seed))
    same_both_ways(spec, tmp_path)


@pytest.mark.parametrize("seed", range(25))
def test_generated_specs(world: Path, tmp_path: Path, seed: int) -> None:
    of_seed(world, tmp_path, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(25, 525))
def test_more_generated_specs(world: Path, tmp_path: Path, seed: int) -> None:
    of_seed(world, tmp_path, seed)


@pytest.mark.slow
def test_the_quickstart(tmp_path: Path) -> None:
    # Few steps, and outputs where the other specs have theirs.
    text = (SPECS / "quickstart.fuse").read_text().replace('to "../', 'to "./out/')
    spec = tmp_path / "quickstart.fuse"
    spec.write_text(text)
    same_both_ways(spec, tmp_path, "--set", "steps=5", "--no-gate", "--threads", "1")
