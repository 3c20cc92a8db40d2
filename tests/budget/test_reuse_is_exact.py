"""Whatever the catalog spares a merge, its bytes are those of a merge that reads everything."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

BLOCK = 4096
Bench = Any  # of conftest.py


def values(*shape: int, seed: int, scale: float = 1.0) -> torch.Tensor:
    drawn = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return (drawn * scale).to(torch.bfloat16)


def changed(base: torch.Tensor, blocks: list[int], seed: int) -> torch.Tensor:
    flat = base.clone().flatten()
    for number in blocks:
        piece = flat[number * BLOCK : (number + 1) * BLOCK]
        piece += values(len(piece), seed=seed + number, scale=0.1)
    return flat.view_as(base)


@pytest.fixture
def apart(bench: Bench) -> Bench:
    """Experts that change a block each, of three."""
    base = values(64, 192, seed=1)
    bench.model("base", {"w": base})
    for number, name in enumerate("abc"):
        bench.model(name, {"w": changed(base, [number], 10)})
    bench.analyze("a", "b", "c")
    return bench


@pytest.mark.parametrize(
    ("method", "before", "after"),
    [
        ("average", "a, b", "a, b, c"),
        ("linear", "a: 1, b: 2", "a: 1, b: 3"),
        ("task_arithmetic(normalize: true)", "a: 1, b: 2", "a: 1, b: 3"),
        ("dare_linear(density: 0.5, seed: 3, normalize: true)", "a: 1, b: 2", "a: 1, b: 3"),
    ],
)
def test_experts_that_change_nothing_in_a_block_count_there_too(
    apart: Bench, method: str, before: str, after: str
) -> None:
    apart.merge(before, method)
    apart.merge(after, method)
    assert apart.merged() == apart.merged_anew()


def test_zeros_of_a_delta_are_no_zeros_of_a_model(bench: Bench) -> None:
    base = values(2 * 64, 64, seed=1)
    pruned = base.clone()
    pruned[64:] = 0
    bench.model("base", {"w": base})
    bench.model("a", {"w": changed(base, [0], 2)})
    bench.model("pruned", {"w": pruned})
    change = "delta change = task_vector { model: a, base: base, dtype: bf16 }"
    merge = "model merged = merge { base: base, experts: [change], method: task_arithmetic }"
    bench.run(bench.spec(change, experts=["a"], outputs=["change"]))
    bench.analyze("pruned", next((bench.folder / ".fusec/objects/delta").iterdir()))
    bench.run(bench.spec(change, merge, experts=["a"]))
    assert bench.merge("pruned", "task_arithmetic").actual.get("reused_bytes", 0) == 0
    assert bench.merged() == bench.merged_anew()


@pytest.mark.parametrize("method", ["nuslerp(flatten: false)", "della(density: 0.5, epsilon: 0.2, seed: 3)"])
def test_rows_that_end_within_a_block(bench: Bench, method: str) -> None:
    base = values(64, 300, seed=1)
    bench.model("base", {"w": base})
    for seed, name in enumerate("ab"):
        bench.model(name, {"w": changed(base, [0, 2, 3, 4], 10 + seed)})
    bench.analyze("a", "b")
    bench.merge("a, b", method)
    assert bench.merged() == bench.merged_anew()


def test_an_adapter_with_whole_tensors_beside_a_measured_model(bench: Bench) -> None:
    query = "model.layers.0.self_attn.q_proj.weight"
    base = {query: values(64, 64, seed=1), "lm_head.weight": values(128, 64, seed=2)}
    bench.model("base", base)
    bench.model("full", base | {query: changed(base[query], [0], 3)})
    lora = bench.folder / "lora"
    lora.mkdir()
    told = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"], "bias": "none"}
    (lora / "adapter_config.json").write_text(json.dumps(told | {"modules_to_save": ["lm_head"]}))
    inside, left, right = "base_model.model.", values(64, 4, seed=5), values(4, 64, seed=6)
    factors = {f"model.layers.0.self_attn.q_proj.lora_{k}.weight": t for k, t in (("A", right), ("B", left))}
    tensors = {inside + name: tensor for name, tensor in factors.items()}
    save_file(
        tensors | {f"{inside}lm_head.weight": values(128, 64, seed=9)}, lora / "adapter_model.safetensors"
    )
    bench.analyze("full")
    bench.merge("full, lora", "task_arithmetic")
    assert bench.merged() == bench.merged_anew()


@pytest.mark.parametrize("damage", [lambda raw: raw[:-9] + b"\x11" * 9, lambda raw: raw[:200]])
def test_a_result_that_somebody_wrote_to_is_not_used_again(apart: Bench, damage: Any) -> None:
    apart.merge("a, b", "task_arithmetic")
    (stored,) = (apart.folder / ".fusec/objects/model").glob("*/model.safetensors")
    stored.parent.chmod(0o755)
    stored.chmod(0o644)
    stored.write_bytes(damage(stored.read_bytes()))
    apart.merge("a, c", "task_arithmetic")
    assert apart.merged() == apart.merged_anew()


def test_what_is_made_already_is_not_looked_at(bench: Bench) -> None:
    base = {"v": values(64, 64, seed=1), "w": values(64, 64, seed=2)}
    bench.model("base", base)
    bench.model("a", {"v": changed(base["v"], [0], 5), "w": changed(base["w"], [0], 6)})
    bench.model("b", {"v": changed(base["v"], [0], 5), "w": changed(base["w"], [0], 7)})
    bench.analyze("a", "b")
    first = bench.merge("a", "ties(density: 0.3)").actual["expert_bytes"]
    assert bench.merge("b", "ties(density: 0.3)").actual["expert_bytes"] == first / 2
    assert bench.merged() == bench.merged_anew()
