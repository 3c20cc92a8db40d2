"""Adapters out of models: they hold the best low-rank change, say what they lost, and merge back."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

from fusec.runtime.kernel import RunError

SPEC = """model base from "./base"
model tuned: Model[_, _, root: base] from "./tuned"
delta lora = tuned |> extract_lora {{ base: base, {slots} }}
model again = merge {{ base: base, experts: [lora], method: task_arithmetic }}
output lora to "./out/lora"
output again to "./out/again"
"""


def matrices(net):
    """The weights of the linear modules in the layers, as their tensors are named."""
    return {
        n: w
        for n, w in net.state_dict().items()
        if w.ndim == 2 and n.endswith(("proj.weight", "c_attn.weight", "c_fc.weight"))
    }


def change(bench, net, arch, rank, *, size=0.02, seed=7, names=None):
    """Adds random factors of a rank to the linear weights of `net` and writes it as `tuned`."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in matrices(net).items():
            if names is None or name in names:
                left = torch.randn(weight.shape[0], rank, generator=generator)
                right = torch.randn(rank, weight.shape[1], generator=generator)
                weight += size * left @ right
    net.save_pretrained(bench.folder / "tuned")


def extraction(bench):
    return json.loads((bench.folder / "out/lora/extraction.json").read_text())


def test_a_change_of_low_rank_comes_back(bench, arch):
    net = bench.model("base", arch)
    change(bench, net, arch, rank=3)
    bench.run(SPEC.format(slots="rank: 3"))
    want, again = bench.tensors("tuned"), bench.tensors("out/again")
    assert want.keys() == again.keys()
    for name in want:
        torch.testing.assert_close(again[name], want[name], rtol=0, atol=2e-6)
    report = extraction(bench)
    assert report["total"]["relative"] < 1e-5
    assert {entry["rank"] for entry in report["tensors"].values()} == {3}
    assert report["whole"] == []


def test_the_adapter_is_the_truncated_decomposition_and_states_its_error(bench):
    net = bench.model("base")
    change(bench, net, "llama", rank=9)
    bench.run(SPEC.format(slots="rank: 4"))
    base, tuned, again = (bench.tensors(name) for name in ("base", "tuned", "out/again"))
    report, squares = extraction(bench), [0.0, 0.0]
    assert report["tensors"].keys() == matrices(net).keys()
    for name, entry in report["tensors"].items():
        whole = tuned[name].double() - base[name].double()
        values = torch.linalg.svdvals(whole)
        update, error = (float(part.square().sum().sqrt()) for part in (values, values[4:]))
        assert entry["update"] == pytest.approx(update, rel=1e-5)
        assert entry["error"] == pytest.approx(error, rel=1e-4)
        assert entry["relative"] == pytest.approx(error / update, rel=1e-4)
        left = (again[name].double() - tuned[name].double()).norm()
        assert float(left) == pytest.approx(error, rel=1e-3)
        squares = [total + part**2 for total, part in zip(squares, (update, error), strict=True)]
    assert report["total"]["relative"] == pytest.approx((squares[1] / squares[0]) ** 0.5, rel=1e-4)


def test_ranks_differ_where_the_changes_do(bench):
    net = bench.model("base")
    first, second = sorted(matrices(net))[:2]
    change(bench, net, "llama", rank=1, names=[first])
    change(bench, net, "llama", rank=3, names=[second], seed=8)
    bench.run(SPEC.format(slots="rank: 8"))
    config = json.loads((bench.folder / "out/lora/adapter_config.json").read_text())
    modules = [name.removesuffix(".weight") for name in (first, second)]
    assert config["target_modules"] == modules
    assert config["r"] == config["lora_alpha"] == 3
    assert config["rank_pattern"] == config["alpha_pattern"] == {modules[0]: 1}


def test_small_singular_values_are_dropped(bench):
    net = bench.model("base")
    name = min(matrices(net))
    with torch.no_grad():
        weight = net.state_dict()[name]
        u, _, v = torch.linalg.svd(torch.randn(weight.shape), full_matrices=False)
        weight += u[:, :3] @ torch.diag(torch.tensor([1.0, 0.5, 0.1])) @ v[:3]
    net.save_pretrained(bench.folder / "tuned")
    bench.run(SPEC.format(slots="rank: 8, epsilon: 0.2"))
    entry = extraction(bench)["tensors"][name]
    assert entry["rank"] == 2
    assert entry["error"] == pytest.approx(0.1, rel=1e-3)


def test_norms_biases_and_ends_are_stored_whole(bench):
    net = bench.model("base", "qwen2")
    change(bench, net, "qwen2", rank=2)
    changed = [
        "model.embed_tokens.weight",
        "model.layers.0.input_layernorm.weight",
        "model.layers.1.self_attn.q_proj.bias",
        "model.norm.weight",
    ]
    with torch.no_grad():
        for name in changed:
            net.state_dict()[name].mul_(1.5)
    net.save_pretrained(bench.folder / "tuned")
    bench.run(SPEC.format(slots="rank: 2"))
    assert extraction(bench)["whole"] == changed
    want, again = bench.tensors("tuned"), bench.tensors("out/again")
    for name in want:
        torch.testing.assert_close(again[name], want[name], rtol=0, atol=2e-6)


def test_what_is_kept_or_not_a_target_stays_the_base(bench):
    net = bench.model("base")
    change(bench, net, "llama", rank=2)
    bench.run(SPEC.format(slots='rank: 2, target: ["*.self_attn.*"], keep: ["*.k_proj.weight"]'))
    base, tuned, again = (bench.tensors(name) for name in ("base", "tuned", "out/again"))
    for name in base:
        moved = ".self_attn." in name and "k_proj" not in name
        torch.testing.assert_close(again[name], (tuned if moved else base)[name], rtol=0, atol=2e-6)


def test_a_changed_embedding_that_is_the_head_is_refused_or_kept(bench):
    net = bench.model("base", tie_word_embeddings=True)
    change(bench, net, "llama", rank=2)
    with torch.no_grad():
        net.model.embed_tokens.weight.mul_(1.5)
    net.save_pretrained(bench.folder / "tuned")
    with pytest.raises(RunError, match=r"`model\.embed_tokens\.weight` of .* is also the head"):
        bench.run(SPEC.format(slots="rank: 2"))
    bench.run(SPEC.format(slots='rank: 2, keep: ["*embed_tokens*"]'))
    assert len(extraction(bench)["tensors"]) == 28


def test_a_model_that_changed_nothing_gives_no_adapter(bench):
    net = bench.model("base")
    net.save_pretrained(bench.folder / "tuned")
    with pytest.raises(RunError, match=r"equals .* in every tensor that the adapter may change"):
        bench.run(SPEC.format(slots="rank: 2"))


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_factors_are_stored_as_asked(bench, dtype):
    net = bench.model("base")
    change(bench, net, "llama", rank=2)
    bench.run(SPEC.format(slots=f"rank: 2, dtype: {dtype}"))
    stored = load_file(bench.folder / "out/lora/adapter_model.safetensors")
    assert {t.dtype for t in stored.values()} == {{"bf16": torch.bfloat16, "fp16": torch.float16}[dtype]}


def test_the_published_adapter_is_a_source_again(bench):
    net = bench.model("base")
    change(bench, net, "llama", rank=2)
    bench.run(SPEC.format(slots="rank: 2"))
    bench.run(
        """model base from "./base"
delta lora: Delta[_, root: base] from "./out/lora"
model merged = merge { base: base, experts: [lora], method: task_arithmetic }
output merged to "./out/third"
"""
    )
    again, third = bench.tensors("out/again"), bench.tensors("out/third")
    assert all(torch.equal(again[name], third[name]) for name in again)


def test_two_runs_give_the_same_bytes(bench):
    net = bench.model("base")
    change(bench, net, "llama", rank=5)
    bench.run(SPEC.format(slots="rank: 3"))
    weights = bench.folder / "out/lora/adapter_model.safetensors"
    first = weights.read_bytes()
    for folder in (".fusec", "out"):
        shutil.rmtree(bench.folder / folder)
    bench.run(SPEC.format(slots="rank: 3"))
    assert weights.read_bytes() == first


def test_peft_loads_the_adapter(bench, arch, logits):
    peft = pytest.importorskip("peft")
    net = bench.model("base", arch)
    change(bench, net, arch, rank=2)
    with torch.no_grad():
        for weight in net.parameters():
            if weight.ndim == 1:
                weight.mul_(1.25)
    net.save_pretrained(bench.folder / "tuned")
    bench.run(SPEC.format(slots="rank: 2"))
    adapted = peft.PeftModel.from_pretrained(bench.load("base"), bench.folder / "out/lora")
    torch.testing.assert_close(logits(adapted), logits(bench.load("tuned")), rtol=0, atol=1e-5)
