"""Mixtures of experts: what transformers computes with them, and which rows a router has."""

import json

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from fusec.runtime.kernel import RunError

ARCHS = [
    ("mixtral", "llama"),
    ("mixtral", "mistral"),
    ("qwen2_moe", "qwen2"),
    ("qwen2_moe", "llama"),
    ("qwen3_moe", "qwen3"),
]


def spec(moe, block="router: random(seed: 3)", experts="[b, c, a]"):
    shared = "shared: a\n" if moe == "qwen2_moe" else ""
    return f"""model a from "./a"
model b: Model[_, _, root: a] from "./b"
model c: Model[_, _, root: a] from "./c"
model moe = assemble_moe {{
  base: a
  experts: {experts}
  arch: {moe}
  {shared}{block}
}}
output moe to "./out/moe"
"""


@pytest.mark.parametrize(("moe", "dense"), ARCHS)
def test_experts_that_are_all_alike_give_the_dense_model_back(bench, logits, moe, dense):
    window = {"sliding_window": 4 if moe == "mixtral" else None} if dense == "mistral" else {}
    net = bench.model("a", dense, **window)
    for name in "bc":
        bench.model(name, dense, **window)
    bench.run(spec(moe))
    made = bench.load("out/moe")
    assert type(made).__name__.lower().startswith(moe.replace("_", ""))
    torch.testing.assert_close(logits(made), logits(net), rtol=0, atol=2e-6)


@pytest.mark.parametrize(("moe", "dense"), ARCHS)
def test_every_token_goes_through_the_experts_that_the_router_ranks_first(bench, logits, moe, dense):
    """The same model by hand: of each layer, what transformers has for the MLP of a dense model."""
    window = {"sliding_window": None} if dense == "mistral" else {}
    nets = [bench.model(name, dense, seed=seed, **window) for seed, name in enumerate("abc")]
    bench.run(spec(moe, experts="[b: 0.25, c: 1.5, a: 0.75]"))
    stored = bench.tensors("out/moe")
    block = "block_sparse_moe" if moe == "mixtral" else "mlp"

    class Mixture(torch.nn.Module):
        def __init__(self, number):
            super().__init__()
            self.gate = stored[f"model.layers.{number}.{block}.gate.weight"]
            self.experts = [net.model.layers[number].mlp for net in (nets[1], nets[2], nets[0])]

        def forward(self, x):
            chance, chosen = torch.softmax(x @ self.gate.T, dim=-1).topk(2, dim=-1)
            chance = chance / chance.sum(-1, keepdim=True)
            each = [s * mlp(x) for s, mlp in zip((0.25, 1.5, 0.75), self.experts, strict=True)]
            both = torch.stack(each, -2).gather(-2, chosen[..., None].expand(*chosen.shape, x.shape[-1]))
            mixed = (chance[..., None] * both).sum(-2)
            return mixed + self.experts[2](x) / 2 if moe == "qwen2_moe" else mixed

    by_hand = AutoModelForCausalLM.from_pretrained(bench.folder / "a", dtype=torch.float32).eval()
    for number, layer in enumerate(by_hand.model.layers):
        layer.mlp = Mixture(number)
    torch.testing.assert_close(logits(bench.load("out/moe")), logits(by_hand), rtol=0, atol=2e-5)


def test_tensors_are_copied_and_named_as_transformers_names_them(bench):
    for seed, name in enumerate("abc"):
        bench.model(name, seed=seed, dtype=torch.bfloat16)
    bench.run(spec("mixtral"))
    made, own, other = bench.tensors("out/moe"), bench.tensors("a"), bench.tensors("c")
    for name, tensor in own.items():
        if ".mlp." not in name:
            assert torch.equal(made[name], tensor), name
    for part, called in {"gate_proj": "w1", "up_proj": "w3", "down_proj": "w2"}.items():
        expert = made[f"model.layers.2.block_sparse_moe.experts.1.{called}.weight"]
        assert torch.equal(expert, other[f"model.layers.2.mlp.{part}.weight"])
    bench.load("out/moe").bfloat16().save_pretrained(bench.folder / "again")
    assert bench.tensors("again").keys() == made.keys()


def test_the_type_of_the_result_is_that_of_its_folder(bench):
    for name in "abc":
        bench.model(name)
    text = spec("mixtral", "router: uniform")
    bench.run(text)
    bench.run(
        text
        + """model read: Model[_, _, root: moe] from "./out/moe"
model both = merge { base: moe, experts: [read], method: average }
output both to "./out/both"
"""
    )
    made, merged = bench.tensors("out/moe"), bench.tensors("out/both")
    assert all(torch.equal(tensor, merged[name]) for name, tensor in made.items())


def test_drawn_rows_follow_their_distribution_and_their_seed(bench):
    for name in "abc":
        bench.model(name, hidden_size=64, num_attention_heads=4)
    rows = {}
    for router in ("random(seed: 1)", "random(seed: 2)", "uniform(seed: 1)"):
        bench.run(spec("mixtral", f"router: {router}"))
        tensors = bench.tensors("out/moe")
        rows[router] = torch.stack([t for n, t in sorted(tensors.items()) if n.endswith("moe.gate.weight")])
    normal, other, even = rows.values()
    assert normal.shape == (4, 3, 64)
    assert abs(normal.mean()) < 0.15 and abs(normal.std() - 1) < 0.1
    assert even.abs().max() <= 1 / 8 and abs(even.std() - 1 / 8 / 3**0.5) < 0.01
    assert not torch.isclose(normal, other).any()
    assert len(normal.unique()) == normal.numel()


TEXTS = {
    "long": ["The river carries cold water from the mountains down to the harbour.", "A tree."],
    "short": ["a", "for name in names"],
}
PROMPTS = """param seed = 5

data corpus from "./text.txt"
data long from "./long.jsonl"
data short from "./short.jsonl"
tokenizer words = train_tokenizer { data: corpus, vocab: 280 }
model a = init { tokenizer: words, arch: llama(layers: 3, hidden: 16, heads: 2, context: 128) }
model moe = assemble_moe {
  base: a
  experts: [ROUTES]
  arch: mixtral
  router: prompts(OPTIONS)
}
output a to "./out/a"
output moe to "./out/moe"
"""


def routes(bench, options, experts="a, a"):
    for name, texts in TEXTS.items():
        lines = "".join(json.dumps({"prompt": text}) + "\n" for text in texts)
        (bench.folder / f"{name}.jsonl").write_text(lines)
    (bench.folder / "text.txt").write_text("\n".join(TEXTS["long"] + TEXTS["short"]) * 20)
    bench.run(PROMPTS.replace("ROUTES", experts).replace("OPTIONS", options))
    tensors = bench.tensors("out/moe")
    return torch.stack([t for n, t in sorted(tensors.items()) if n.endswith("moe.gate.weight")]).double()


@torch.no_grad()
def by_hand(bench, texts, state):
    """One prompt at a time, so nothing is padded: (layers, hidden), not yet of length 1."""
    net, tokenizer = bench.load("out/a"), AutoTokenizer.from_pretrained(bench.folder / "out/a")
    total = 0
    for text in texts:
        ids = tokenizer(text, return_tensors="pt").input_ids
        states = torch.stack(net(ids, output_hidden_states=True).hidden_states[:-1])[:, 0].double()
        total += states[:, -1] if state == "last" else states.mean(1)
    return total / len(texts)


@pytest.mark.parametrize("state", ["last", "mean"])
def test_rows_are_the_mean_states_of_prompts_however_they_are_padded(bench, state):
    rows = routes(bench, f"data: [long, short], state: {state}")
    for expert, name in enumerate(TEXTS):
        want = torch.nn.functional.normalize(by_hand(bench, TEXTS[name], state), dim=-1)
        torch.testing.assert_close(rows[:, expert], want, rtol=0, atol=1e-6)


def test_negative_prompts_are_subtracted_and_data_is_matched_by_key(bench):
    options = 'data: ["two": short, "one": long], negative: ["one": short, "two": long]'
    rows = routes(bench, options, experts='"one": a, "two": a')
    difference = by_hand(bench, TEXTS["long"], "last") - by_hand(bench, TEXTS["short"], "last")
    want = torch.nn.functional.normalize(difference, dim=-1)
    torch.testing.assert_close(rows[:, 0], want, rtol=0, atol=1e-5)
    torch.testing.assert_close(rows[:, 1], -want, rtol=0, atol=1e-5)


def test_embeddings_are_the_same_in_all_layers(bench):
    rows = routes(bench, "data: [long, short], state: embedding")
    want = torch.nn.functional.normalize(by_hand(bench, TEXTS["short"], "mean")[0], dim=-1)
    torch.testing.assert_close(rows[:, 1], want.expand(3, -1), rtol=0, atol=1e-6)


def test_prompts_that_are_their_own_negatives_point_nowhere(bench):
    with pytest.raises(RunError, match="expert 1 do not differ from its negative prompts"):
        routes(bench, "data: [long, short], negative: [long, short]")


@pytest.mark.parametrize(
    ("moe", "dense", "own", "others", "says"),
    [
        ("qwen2_moe", "mistral", {"sliding_window": 4}, {}, "within a window of 4 tokens, which qwen2_moe"),
        ("mixtral", "llama", {}, {"hidden_act": "gelu"}, "`hidden_act` is 'silu' in .*a and 'gelu' in .*b"),
    ],
)
def test_what_only_configurations_show_is_refused_when_they_are_read(bench, moe, dense, own, others, says):
    bench.model("a", dense, **own)
    for name in "bc":
        bench.model(name, dense, **others)
    with pytest.raises(RunError, match=says):
        bench.run(spec(moe))


@pytest.mark.parametrize("dense", ["gpt2", "gemma2", "qwen2"])
def test_a_base_with_other_tensors_is_refused_before_the_run(bench, dense):
    for name in "abc":
        bench.model(name, dense)
    (problem,) = bench.check(spec("mixtral"))
    assert problem.code == "FUSE212"
    assert "the base of `mixtral`" in problem.title()
