"""What a planner is told about a base and experts, without a byte of weights being read."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fusec.runtime.analysis.analyse import analyse
from fusec.runtime.analysis.family import Family, Missing, family_columns
from fusec.runtime.analysis.inner import CHUNK
from fusec.runtime.analysis.sampled import sample
from fusec.runtime.kernel import Artifact, RunError
from fusec.runtime.sources.delta_folder import DeltaManifest, encode_manifest

BLOCK = CHUNK


def model(folder: Path) -> Artifact:
    return Artifact("model", folder, folder.name)


def norms(base: torch.Tensor, expert: torch.Tensor) -> list[float]:
    delta = (expert.float() - base.float()).reshape(-1).double()
    return [float((part**2).sum()) for part in delta.split(BLOCK)]


@pytest.mark.parametrize("tier", ["gram", "norms", "sketch"])
def test_columns_say_where_blocks_lie_and_how_much_they_change(columns, save, family, tier):
    weights = family(3)
    head = weights[1]["lm_head.weight"]
    head.view(-1)[:BLOCK] = weights[0]["lm_head.weight"].view(-1)[:BLOCK]
    weights[3]["lm_head.weight"].view(-1)[BLOCK : 2 * BLOCK] = head.view(-1)[BLOCK : 2 * BLOCK]
    base, *experts = (save(f"m{k}", tensors) for k, tensors in enumerate(weights))
    analyse(columns, experts, base, gram=True, block=BLOCK)
    order = [2, 0]
    given = [model(experts[k]) for k in order]
    found = family_columns(columns, model(base), given, tier, block=BLOCK)
    assert isinstance(found, Family)
    tensors = {tensor.name: tensor for tensor in found}
    assert sorted(tensors) == sorted(weights[0])
    tensor = tensors["lm_head.weight"]
    assert tensor.exact == (tier != "sketch")
    assert tensor.zero.astype(int).tolist() == [[0] * 6, [1, 0, 0, 0, 0, 0]]
    assert tensor.owner.tolist() == [[0] * 6, [1, 0, 1, 1, 1, 1]]
    expected = [norms(weights[0]["lm_head.weight"], weights[1 + k]["lm_head.weight"]) for k in order]
    np.testing.assert_allclose(tensor.norm2, expected, rtol=1e-12 if tensor.exact else 2)
    if tier == "norms":
        assert tensor.gram is None
    else:
        assert np.array_equal(tensor.gram.diagonal(axis1=1, axis2=2).T, tensor.norm2)
    for k, number in enumerate(order):
        with found.files[tensor.files[k]].open("rb") as file:
            file.seek(tensor.start[k])
            raw = file.read(BLOCK * tensor.itemsize[k])
        stored = weights[1 + number]["lm_head.weight"].view(-1)[:BLOCK]
        assert raw == stored.view(torch.uint8).numpy().tobytes()


def test_an_expert_of_another_dtype_has_no_equal_blocks(columns, save, family):
    base, expert = family(1)
    wide = {name: tensor.float() for name, tensor in base.items()}
    folders = [save(f"m{k}", tensors) for k, tensors in enumerate((base, wide, expert))]
    analyse(columns, folders[1:], folders[0], block=BLOCK)
    found = family_columns(columns, *_split(folders), "norms", block=BLOCK)
    for tensor in found:
        assert not tensor.zero.any()
        assert not tensor.norm2[0].any()
        assert tensor.itemsize.tolist() == [4, 2]


def _split(folders: list[Path]) -> tuple[Artifact, list[Artifact]]:
    base, *experts = map(model, folders)
    return base, experts


def test_what_is_lacking_is_said_with_the_command_that_helps(columns, save, family):
    base, one, other = (save(f"m{k}", tensors) for k, tensors in enumerate(family(2)))
    family_of = _split([base, one, other])
    lacking = family_columns(columns, *family_of, "sketch")
    assert isinstance(lacking, Missing)
    assert len(lacking.what) == 3
    for folder in (base, one, other):
        analyse(columns, [folder])
    assert isinstance(family_columns(columns, *family_of, "sketch"), Family)
    lacking = family_columns(columns, *family_of, "norms")
    assert isinstance(lacking, Missing)
    assert [str(one) in lacking.what[0], str(other) in lacking.what[1]] == [True, True]
    assert lacking.hint == f"fusec catalog analyze {one} {other} --base {base}"
    analyse(columns, [one, other], base)
    assert isinstance(family_columns(columns, *family_of, "norms"), Family)
    assert isinstance(family_columns(columns, *family_of, "gram"), Missing)


def test_an_expert_without_a_head_lends_its_embedding(columns, save):
    torch.manual_seed(0)
    embedding, head = torch.randn(8, 16), torch.randn(8, 16)
    base = save("base", {"model.embed_tokens.weight": embedding, "lm_head.weight": head})
    tied = save("tied", {"model.embed_tokens.weight": embedding + 1}, tie_word_embeddings=True)
    analyse(columns, [tied], base)
    tensors = {t.name: t for t in family_columns(columns, model(base), [model(tied)], "norms")}
    assert tensors["lm_head.weight"].start.tolist() == tensors["model.embed_tokens.weight"].start.tolist()
    assert tensors["lm_head.weight"].norm2[0].tolist() == pytest.approx(norms(head, embedding + 1))


def test_stored_task_vectors_are_their_own_change(columns, save):
    torch.manual_seed(0)
    base = save("base", {"w": torch.randn(3, 2000), "v": torch.randn(5)})
    change = {"w": torch.randn(3, 2000)}
    delta = save("delta", change)
    (delta / "config.json").unlink()
    (delta / "delta.json").write_bytes(encode_manifest(DeltaManifest(base="b", model="m")))
    analyse(columns, [delta], base, gram=True, block=BLOCK)
    vector = Artifact("delta", delta, "d")
    for tier in ("gram", "norms", "sketch"):
        tensors = {t.name: t for t in family_columns(columns, model(base), [vector], tier, block=BLOCK)}
        expected = norms(torch.zeros(3, 2000), change["w"])
        assert tensors["w"].norm2[0].tolist() == pytest.approx(expected, rel=1e-9 if tier != "sketch" else 1)
        assert tensors["v"].zero.all()


def test_an_adapter_costs_its_factors_and_needs_no_columns(columns, save):
    base = save("base", {"model.layers.0.self_attn.q_proj.weight": torch.randn(8, 16)})
    adapter = base.with_name("adapter")
    adapter.mkdir()
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj"]}
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    name = "base_model.model.model.layers.0.self_attn.q_proj.lora_{}.weight"
    factors = {name.format("A"): torch.randn(2, 16), name.format("B"): torch.randn(8, 2)}
    save_file(factors, adapter / "adapter_model.safetensors")
    analyse(columns, [base])
    with pytest.raises(RunError, match="adapter"):
        analyse(columns, [adapter], base)
    (tensor,) = family_columns(columns, model(base), [Artifact("delta", adapter, "a")], "norms")
    assert (tensor.files.tolist(), tensor.fixed.tolist()) == ([-1], [4 * 2 * (8 + 16)])
    assert not tensor.zero.any()


def test_a_family_with_a_damaged_expert_is_refused_unless_the_tensor_is_kept(columns, save, family):
    base, expert = family(1)
    expert["a.weight"][0, 0] = float("inf")
    folders = [save("base", base), save("expert", expert)]
    analyse(columns, folders[1:], folders[0], block=BLOCK)
    with pytest.raises(RunError, match=r"expert.*`a.weight` is not finite .* block 0"):
        list(family_columns(columns, *_split(folders), "norms", block=BLOCK))
    kept = family_columns(columns, *_split(folders), "norms", keep=["a.*"], block=BLOCK)
    assert "a.weight" not in [tensor.name for tensor in kept]


def test_samples_rank_blocks_by_less_than_a_hundredth_of_the_bytes(columns, save):
    rng = torch.Generator().manual_seed(0)
    base = {"w": torch.randn(4, 1 << 19, generator=rng).bfloat16()}
    sizes = torch.tensor([[0.0], [1.0], [4.0], [2.0]])
    expert = {"w": (base["w"].float() + sizes * torch.randn(4, 1 << 19, generator=rng)).bfloat16()}
    folders = [save("base", base), save("expert", expert)]
    sampling = sample(columns, folders[1:], folders[0])
    assert sampling.read == 2 * 4 * 4096 < sampling.of / 200
    assert isinstance(family_columns(columns, *_split(folders), "sketch"), Missing)
    (tensor,) = family_columns(columns, *_split(folders), "sampled")
    assert not tensor.exact
    delta = (expert["w"].float() - base["w"].float()).double()
    np.testing.assert_allclose(tensor.norm2[0], (delta**2).sum(axis=1), rtol=0.25)
