"""Folders that Transformers and safetensors read, with the same bytes every time."""

import json
import random

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from fusec.runtime.hf_folder import ModelWriter, PlannedTensor, copy_companions, split_shards
from fusec.runtime.kernel import Artifact, Method, RunError
from fusec.runtime.sources.safetensors_header import read_model_headers

PLAN = [
    PlannedTensor("b", "BF16", (3,)),
    PlannedTensor("a", "F32", (2, 2)),
    PlannedTensor("void", "F32", (0,)),
    PlannedTensor("c", "I64", ()),
]


def payload(t):
    return bytes(range(t.bytes))


def write(folder, order, shard_bytes):
    folder.mkdir()
    with ModelWriter(folder, PLAN, shard_bytes=shard_bytes) as writer:
        for t in order:
            for at in range(0, t.bytes, 4):
                writer.write(t.name, at, payload(t)[at : at + 4])
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


@pytest.mark.parametrize("shard_bytes", [1, 20, 1000])
def test_bytes_do_not_depend_on_the_order_of_writes(tmp_path, shard_bytes):
    want = write(tmp_path / "first", PLAN, shard_bytes)
    assert write(tmp_path / "second", random.Random(0).sample(PLAN, len(PLAN)), shard_bytes) == want
    model = read_model_headers(tmp_path / "first")
    for t in PLAN:
        info = model.tensors[t.name]
        assert (info.dtype, info.shape) == (t.dtype, t.shape)
        assert want[model.file_of[t.name]][info.start : info.end] == payload(t)
        assert t.bytes == 0 or info.start % (t.bytes if t.shape == () else 2) == 0


def test_a_model_that_fits_is_one_file_without_an_index(tmp_path):
    assert list(write(tmp_path / "m", PLAN, 1000)) == ["model.safetensors"]
    assert load_file(tmp_path / "m" / "model.safetensors")["a"].shape == (2, 2)


def test_shards_are_closed_before_they_grow_too_large():
    shards = split_shards(
        [PlannedTensor(n, "U8", (s,)) for n, s in zip("abcde", (4, 4, 30, 2, 8), strict=True)], 10
    )
    assert {file: "".join(t.name for t in ts) for file, ts in shards.items()} == {
        "model-00001-of-00003.safetensors": "ab",
        "model-00002-of-00003.safetensors": "c",
        "model-00003-of-00003.safetensors": "de",
    }


def test_after_an_exception_no_index_makes_the_folder_look_complete(tmp_path):
    with pytest.raises(ZeroDivisionError), ModelWriter(tmp_path, PLAN, shard_bytes=1):
        raise ZeroDivisionError
    assert not (tmp_path / "model.safetensors.index.json").exists()


def test_companions_are_copied_and_nothing_else(tmp_path):
    src, out = tmp_path / "src", tmp_path / "out"
    (src / "additional_chat_templates").mkdir(parents=True)
    out.mkdir()
    taken = [
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "tokenizer.model",
    ]
    taken += ["chat_template.jinja", "additional_chat_templates/tool.jinja", "merges.txt"]
    left = ["model.safetensors", "optimizer.pt", "README.md", "modeling_custom.py", "trainer_state.json"]
    for name in taken + left:
        (src / name).write_text("{}")
    copy_companions(src, out, dtype=None)
    assert sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()) == sorted(taken)


@pytest.mark.parametrize("field", ["dtype", "torch_dtype"])
def test_a_new_dtype_reaches_the_config(tmp_path, field):
    (tmp_path / "out").mkdir()
    config = {"hidden_size": 8, field: "bfloat16", "text_config": {"dtype": "bfloat16"}, "rope": {"x": 1}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    copy_companions(tmp_path, tmp_path / "out", dtype="float16")
    got = json.loads((tmp_path / "out" / "config.json").read_text())
    assert got == config | {field: "float16", "dtype": "float16", "text_config": {"dtype": "float16"}}


def test_a_folder_without_a_config_is_no_model(tmp_path):
    with pytest.raises(RunError, match=r"config\.json is missing"):
        copy_companions(tmp_path, tmp_path, dtype=None)


@pytest.mark.parametrize("tied", [True, False])
def test_a_merged_model_loads_and_is_the_mean(tmp_path, run_merge, tied):
    config = LlamaConfig(
        vocab_size=64, hidden_size=16, intermediate_size=24, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, tie_word_embeddings=tied,
    )  # fmt: skip
    models = []
    for name in ("base", "x", "y"):
        torch.manual_seed(len(models))
        models.append(LlamaForCausalLM(config))
        models[-1].save_pretrained(tmp_path / name, max_shard_size="8KB")
    base, x, y = (Artifact("model", tmp_path / name, name) for name in ("base", "x", "y"))
    merged = run_merge(base, [x, y], Method("average"), shard_size=5000)
    assert len(merged.files) > 4
    loaded = AutoModelForCausalLM.from_pretrained(merged.folder, dtype="float32")
    want = models[1].state_dict()
    for name, other in models[2].state_dict().items():
        assert torch.equal(loaded.state_dict()[name], (want[name] + other) / 2), name
