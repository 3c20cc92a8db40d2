"""Stacks of layers: equal logits where the mathematics says so, and one clear message where nothing fits."""

import json

import pytest
import torch
from transformers import AutoModelForCausalLM

from fusec.runtime.kernel import RunError

DEEPER = """model a from "./a"
model deeper = stack { layers: [slice(a, start: 0, stop: 3), slice(a, start: 1, stop: 4)] }
output deeper to "./out/deeper"
"""


def test_all_layers_of_a_model_are_the_model(bench, arch, logits):
    net = bench.model("a", arch)
    bench.run(
        """model a from "./a"
model same = stack { layers: [slice(a, start: 0, stop: 2), slice(a, 2, 4)] }
output same to "./out/same"
"""
    )
    assert torch.equal(logits(bench.load("out/same")), logits(net))
    weights = "model.safetensors"
    assert (bench.folder / "out/same" / weights).read_bytes() == (bench.folder / "a" / weights).read_bytes()


def layers_in(net):
    return net.transformer.h if hasattr(net, "transformer") else net.model.layers


def test_repeated_layers_compute_twice(bench, arch, logits):
    net = bench.model("a", arch)
    bench.run(DEEPER)
    by_hand = AutoModelForCausalLM.from_config(bench.config("out/deeper"), dtype=torch.float32).eval()
    by_hand.load_state_dict(net.state_dict(), strict=False)
    for layer, number in zip(layers_in(by_hand), (0, 1, 2, 1, 2, 3), strict=True):
        layer.load_state_dict(layers_in(net)[number].state_dict())
    made = bench.load("out/deeper")
    torch.testing.assert_close(logits(made), logits(by_hand), rtol=0, atol=1e-6)
    assert not torch.allclose(logits(made), logits(net), atol=1e-3)


def test_entries_of_the_configuration_follow_their_layers(bench):
    bench.model("a", "gemma2")
    bench.run(DEEPER)
    kinds = bench.config("a").layer_types
    assert len(set(kinds)) == 2
    assert bench.config("out/deeper").layer_types == [*kinds[0:3], *kinds[1:4]]


def test_a_layer_scaled_to_nothing_passes_its_input_on(bench, logits):
    net = bench.model("a")
    bench.run(
        """model a from "./a"
model longer = stack {
  layers: [
    slice(a, start: 0, stop: 4),
    slice(a, start: 2, stop: 4, scale: 0, only: ["*.o_proj.weight", "*.down_proj.weight"])
  ]
}
output longer to "./out/longer"
"""
    )
    torch.testing.assert_close(logits(bench.load("out/longer")), logits(net), rtol=0, atol=1e-6)


@pytest.mark.parametrize("scale", [0.5, -1.25])
def test_a_scale_multiplies_the_layers_of_its_slice_alone(bench, scale):
    bench.model("a", dtype=torch.bfloat16)
    bench.run(
        f"""model a from "./a"
model scaled = stack {{ layers: [slice(a, 0, 2), slice(a, 2, 4, scale: {scale})] }}
output scaled to "./out/scaled"
"""
    )
    own = bench.tensors("a")
    for name, tensor in bench.tensors("out/scaled").items():
        late = name.startswith(("model.layers.2.", "model.layers.3."))
        want = (own[name].float() * scale).bfloat16() if late else own[name]
        assert torch.equal(tensor, want), name


def test_a_copy_is_not_looked_into(bench):
    net = bench.model("a")
    odd = torch.tensor([0x7FC12345, 0x7F800000, -0x80000000], dtype=torch.int32).view(torch.float32)
    with torch.no_grad():
        net.model.layers[2].mlp.up_proj.weight[0, :3] = odd
    net.save_pretrained(bench.folder / "a")
    bench.run(DEEPER)
    for number in (2, 4):
        copied = bench.tensors("out/deeper")[f"model.layers.{number}.mlp.up_proj.weight"]
        assert torch.equal(copied[0, :3].view(torch.int32), odd.view(torch.int32))


def test_both_ends_come_from_the_models_at_the_ends(bench):
    bench.model("a", seed=1)
    bench.model("b", seed=2)
    bench.model("c", seed=3)
    bench.run(
        """model a from "./a"
model b from "./b"
model c from "./c"
model mixed = stack { layers: [slice(a, 0, 1), slice(b, 1, 3), slice(c, 3, 4)], dtype: bf16 }
output mixed to "./out/mixed"
"""
    )
    mixed = bench.tensors("out/mixed")
    a, b, c = (bench.tensors(name) for name in "abc")
    for name, of in (
        ("model.embed_tokens.weight", a),
        ("model.layers.0.mlp.up_proj.weight", a),
        ("model.layers.2.mlp.up_proj.weight", b),
        ("model.layers.3.mlp.up_proj.weight", c),
        ("model.norm.weight", c),
        ("lm_head.weight", c),
    ):
        assert torch.equal(mixed[name], of[name].bfloat16()), name
    assert bench.config("out/mixed").dtype == torch.bfloat16


@pytest.mark.parametrize("ties", [(True, True), (True, False), (False, True)])
def test_the_head_is_that_of_the_last_model(bench, ties, logits):
    first = bench.model("a", seed=1, tie_word_embeddings=ties[0])
    last = bench.model("b", seed=2, tie_word_embeddings=ties[1])
    bench.run(
        """model a from "./a"
model b from "./b"
model mixed = stack { layers: [slice(a, 0, 4), slice(b, 3, 4)] }
output mixed to "./out/mixed"
"""
    )
    mixed = bench.load("out/mixed")
    assert bench.config("out/mixed").tie_word_embeddings is False
    assert torch.equal(mixed.get_output_embeddings().weight, last.get_output_embeddings().weight)
    assert torch.equal(mixed.get_input_embeddings().weight, first.get_input_embeddings().weight)


MERGED = """model base from "./base"
model math: Model[_, _, root: base] from "./math"
model low = stack { layers: [slice(base, 0, 3), slice(base, 2, 4)] }
model high = stack { layers: [slice(math, 0, 3), slice(math, 2, 4)] }
"""


def test_stacks_of_one_family_are_merged_and_that_is_the_stack_of_the_merge(bench):
    bench.model("base", seed=1)
    bench.model("math", seed=2)
    bench.run(
        MERGED
        + """model one = merge { base: low, experts: [low, high], method: average }
model mean = merge { base: base, experts: [base, math], method: average }
model other = stack { layers: [slice(mean, 0, 3), slice(mean, 2, 4)] }
output one to "./out/one"
output other to "./out/other"
"""
    )
    one, other = (bench.tensors(f"out/{name}") for name in ("one", "other"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_stacks_of_other_ranges_share_no_coordinates(bench):
    bench.model("base", seed=1)
    bench.model("math", seed=2)
    text = """model base from "./base"
model math: Model[_, _, root: base] from "./math"
model low = stack { layers: [slice(base, 0, 3), slice(base, 2, 4)] }
model high = stack { layers: [slice(math, 0, 2), slice(math, 1, 4)] }
model one = merge { base: low, experts: [high], method: average }
output one to "./out/one"
"""
    (problem,) = bench.check(text)
    assert problem.code == "FUSE201"


def test_layers_in_their_places_stay_in_the_coordinates_of_their_root(bench):
    bench.model("base", seed=1)
    bench.model("math", seed=2)
    bench.run(
        """model base from "./base"
model math: Model[_, _, root: base] from "./math"
model half = stack { layers: [slice(base, 0, 2), slice(math, 2, 4)] }
model one = merge { base: base, experts: [half, math], method: average }
output one to "./out/one"
"""
    )
    assert len(layers_in(bench.load("out/one"))) == 4


def test_models_that_compute_differently_are_told_apart_when_it_runs(bench):
    bench.model("a")
    bench.model("b", rms_norm_eps=1e-3)
    with pytest.raises(RunError, match=r"`rms_norm_eps` is 1e-06 in .* their layers do not compute alike"):
        bench.run(
            """model a from "./a"
model b from "./b"
model mixed = stack { layers: [slice(a, 0, 1), slice(b, 1, 2)] }
output mixed to "./out/mixed"
"""
        )


def test_a_setting_left_at_its_default_is_no_difference(bench):
    bench.model("a")
    bench.model("b", seed=1)
    path = bench.folder / "b/config.json"
    config = json.loads(path.read_text())
    del config["hidden_act"]
    path.write_text(json.dumps(config))
    bench.run(
        """model a from "./a"
model b from "./b"
model mixed = stack { layers: [slice(a, 0, 1), slice(b, 1, 2)] }
output mixed to "./out/mixed"
"""
    )
    assert len(layers_in(bench.load("out/mixed"))) == 2


def test_a_configuration_of_another_depth_is_refused(bench):
    bench.model("a")
    path = bench.folder / "a/config.json"
    path.write_text(path.read_text().replace('"num_hidden_layers": 4', '"num_hidden_layers": 5'))
    with pytest.raises(RunError, match=r"says `num_hidden_layers` 5, but `model.layers` has 4 layers"):
        bench.run(DEEPER)
