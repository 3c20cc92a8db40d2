"""From text to bytes with deltas: an adapter merged, a task vector written, read again and merged."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from fusec.runtime.kernel import RunError

TASK_VECTOR = """edition 2026

model base from "./base"
model math: Model[_, _, root: base] from "./math"
delta change = task_vector { model: math, base: base }
model merged = merge { base: base, experts: [change], method: task_arithmetic(scale: 0.5) }

output change to "./out/change"
output merged to "./out/merged"
"""

FROM_FOLDER = """edition 2026

model base from "./base"
delta change: Delta[_, root: base] from "./out/change"
model merged = merge { base: base, experts: [change], method: task_arithmetic(scale: 0.5) }

output merged to "./out/again"
"""

FROM_MODEL = """edition 2026

model base from "./base"
model math: Model[_, _, root: base] from "./math"
model merged = merge { base: base, experts: [math], method: task_arithmetic(scale: 0.5) }

output merged to "./out/direct"
"""

ADAPTER = """edition 2026

model base from "./base"
model code: Model[_, _, root: base] from "./code"
delta lora: Delta[_, root: base] from "./lora"
model merged = merge { base: base, experts: [lora, code], method: average }

output merged to "./out/merged"
"""


def tensors_of(folder):
    return {n: t for shard in sorted(folder.glob("*.safetensors")) for n, t in load_file(shard).items()}


def test_a_task_vector_makes_the_model_that_it_was_taken_from(family_bench):
    out = family_bench.folder / "out"
    for text in (TASK_VECTOR, FROM_FOLDER, FROM_MODEL):
        family_bench.run(text)
    merged, again, direct = (tensors_of(out / name) for name in ("merged", "again", "direct"))
    assert merged.keys() == again.keys() == direct.keys()
    for name, tensor in direct.items():
        assert torch.equal(tensor.view(torch.int16), merged[name].view(torch.int16)), name
        assert torch.equal(tensor.view(torch.int16), again[name].view(torch.int16)), name


def test_the_folder_of_a_task_vector_says_what_it_is(family_bench):
    family_bench.run(TASK_VECTOR)
    folder = family_bench.folder / "out/change"
    assert {"README.md", "delta.json"} < {path.name for path in folder.iterdir()}
    card = (folder / "README.md").read_text()
    assert "library_name" not in card
    assert "It is not a model of its own" in card
    assert json.loads((folder / "delta.json").read_text())["format"] == "fusec-delta"


def test_an_adapter_is_merged_with_a_model(family_bench):
    base, code = (tensors_of(family_bench.folder / name) for name in ("base", "code"))
    name = "model.layers.1.self_attn.q_proj"
    a, b = torch.randn(4, 32) * 0.1, torch.randn(32, 4) * 0.1
    folder = family_bench.folder / "lora"
    folder.mkdir()
    keys = {f"base_model.model.{name}.lora_{end}.weight": factor for end, factor in (("A", a), ("B", b))}
    save_file(keys, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "base_model_name_or_path": "/elsewhere/base"}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    ran = family_bench.run(ADAPTER)
    merged = tensors_of(family_bench.folder / "out/merged")
    weight = f"{name}.weight"
    want = (base[weight].float() + 2 * b @ a + code[weight].float()) / 2
    torch.testing.assert_close(merged[weight].float(), want, rtol=1e-2, atol=1e-3)
    (made,) = (node for node in ran.manifest.nodes if node.verb == "merge")
    held = sum(tensor.nbytes for tensor in code.values()) + a.nbytes + b.nbytes
    assert made.actual["expert_bytes"] == held
    config["lora_alpha"] = 9
    (folder / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(RunError, match=r"adapter_config\.json of `./lora` changed since it was locked"):
        family_bench.run(ADAPTER, store="fresh")
