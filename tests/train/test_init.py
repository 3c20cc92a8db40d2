"""init: exactly the tensors the compiler promised, drawn from the seed."""

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from fusec.compiler.arch import arch_tensors, flops_per_token, parameters
from fusec.runtime.kernel import RunError


def tensors(model):
    return load_file(model.path / "model.safetensors")


@pytest.mark.parametrize(
    ("arch", "args"),
    [
        ("llama", {"tie_embeddings": True}),
        ("llama", {"tie_embeddings": False, "vocab": 333}),
        ("llama", {"hidden": 36, "heads": 6, "kv_heads": 3, "intermediate": None}),
        ("llama", {"hidden": 48, "heads": 3, "kv_heads": None}),
        ("qwen3", {}),
        ("qwen3", {"hidden": 30, "heads": 5, "kv_heads": 1, "tie_embeddings": False}),
        ("gpt2", {"kv_heads": None}),
        ("gpt2", {"kv_heads": None, "intermediate": None, "tie_embeddings": False}),
    ],
)
def test_the_folder_holds_what_the_compiler_promised(make_model, tiny, arch, args):
    written = {name: tuple(t.shape) for name, t in tensors(make_model(arch=arch, **args)).items()}
    assert written == dict(arch_tensors(arch, tiny | args, 300))


def test_cost_is_counted_from_the_tensors(model, tiny):
    count = sum(t.numel() for t in tensors(model).values())
    assert parameters("llama", tiny, 300) == count
    assert flops_per_token("llama", tiny, 300) == 6 * count


def test_it_loads_and_knows_its_special_tokens(model):
    net = AutoModelForCausalLM.from_pretrained(model.path)
    assert (net.config.bos_token_id, net.config.eos_token_id, net.config.pad_token_id) == (1, 2, 3)
    assert net.generation_config.eos_token_id == 2
    assert net.generate(torch.tensor([[1, 40]]), max_new_tokens=3, min_new_tokens=3).shape == (1, 5)


def test_half_precision_is_the_fp32_model_rounded_once(make_model, model):
    rounded = tensors(make_model(dtype="bf16"))
    for name, weight in tensors(model).items():
        assert torch.equal(rounded[name], weight.bfloat16())


def test_another_seed_is_another_model(make_model, model):
    name = "model.layers.0.mlp.up_proj.weight"
    assert not torch.equal(tensors(make_model(seed=8))[name], tensors(model)[name])


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ({"heads": 5}, r"hidden \(32\) is not a multiple of heads \(5\)"),
        ({"kv_heads": 3}, r"heads \(4\) is not a multiple of kv_heads \(3\)"),
        ({"hidden": 20, "kv_heads": None}, "5 wide, rotary positions need an even width"),
        ({"arch": "gpt2"}, "gpt2 has no grouped attention"),
        ({"vocab": 200}, r"vocab \(200\) is less than the 300 tokens"),
    ],
)
def test_sizes_that_contradict_each_other_are_refused(make_model, args, says):
    with pytest.raises(RunError, match=says):
        make_model(**args)
