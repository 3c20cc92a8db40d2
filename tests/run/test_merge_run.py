"""A merge from spec to published folder: loads, repeats, is reused, and is safe to write twice."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from fusec.runtime.kernel import RunError


def test_the_published_folder_is_a_model(family_bench, merge_spec) -> None:
    family_bench.run(merge_spec)
    out = family_bench.folder / "out/merged"
    net = AutoModelForCausalLM.from_pretrained(out)
    tokenizer = AutoTokenizer.from_pretrained(out)
    logits = net(**tokenizer("a spec", return_tensors="pt")).logits
    assert torch.isfinite(logits).all()
    assert net.dtype == torch.bfloat16 and net.config.tie_word_embeddings
    assert "merged" in (out / "README.md").read_text()


def test_the_weights_are_the_weighted_sum(family_bench, merge_spec) -> None:
    family_bench.run(merge_spec)

    def tensors(name: str) -> dict[str, torch.Tensor]:
        files = sorted((family_bench.folder / name).glob("*.safetensors"))
        return {k: v for file in files for k, v in load_file(file).items()}

    math, code, merged = tensors("math"), tensors("code"), tensors("out/merged")
    assert merged.keys() == math.keys()
    for name, weight in merged.items():
        exact = 0.4 * math[name].double() + 0.6 * code[name].double()
        # One rounding to bf16: eight significand bits, so at most 2^-8 of the value away.
        assert torch.allclose(weight.double(), exact, rtol=2**-8, atol=1e-9), name


def test_two_empty_stores_agree(family_bench, merge_spec, listing) -> None:
    one = family_bench.run(merge_spec, store="one")
    first = listing(family_bench.folder / "out/merged")
    two = family_bench.run(merge_spec, store="two")
    assert one.manifest.semantic_digest == two.manifest.semantic_digest
    assert listing(family_bench.folder / "out/merged") == first


def test_a_second_run_computes_nothing(family_bench, merge_spec) -> None:
    family_bench.run(merge_spec)
    again = family_bench.run(merge_spec)
    assert {node.state for node in again.manifest.nodes} == {"reused"}


def test_the_order_of_experts_is_nothing(family_bench, merge_spec) -> None:
    one = family_bench.run(merge_spec)
    swapped = merge_spec.replace("math: 0.4, code: 0.6", "code: 0.6, math: 0.4")
    assert swapped != merge_spec
    two = family_bench.run(swapped)
    assert one.manifest.plan_digest == two.manifest.plan_digest


def test_a_changed_expert_is_another_model(family_bench, merge_spec) -> None:
    one = family_bench.run(merge_spec)
    shard = next((family_bench.folder / "math").glob("model-00001*.safetensors"))
    data = bytearray(shard.read_bytes())
    data[-2] ^= 1  # the lowest bit of the last bf16 weight's mantissa
    shard.write_bytes(bytes(data))
    with pytest.raises(RunError, match="changed since it was locked"):
        family_bench.run(merge_spec.replace('"./out/merged"', '"./out/other"'), store="fresh")
    (family_bench.folder / "spec.fuse.lock").unlink()
    two = family_bench.run(merge_spec)
    assert one.manifest.plan_digest != two.manifest.plan_digest


def test_somebody_elses_folder_stays(family_bench, merge_spec) -> None:
    out = family_bench.folder / "out/merged"
    out.mkdir(parents=True)
    (out / "thesis.tex").write_text("years of work")
    with pytest.raises(RunError, match="fusec did not write it"):
        family_bench.run(merge_spec)
    assert [p.name for p in out.iterdir()] == ["thesis.tex"]


def test_experts_of_one_name_in_two_places_are_one(family_bench, merge_spec) -> None:
    """Identity is content: a copy of an expert elsewhere is the same expert."""
    import shutil

    one = family_bench.run(merge_spec)
    shutil.copytree(family_bench.folder / "math", family_bench.folder / "elsewhere")
    two = family_bench.run(merge_spec.replace('from "./math"', 'from "./elsewhere"'))
    assert one.manifest.plan_digest == two.manifest.plan_digest
    assert {node.state for node in two.manifest.nodes} == {"reused"}


def test_a_link_to_a_model_is_the_model(family_bench, merge_spec) -> None:
    one = family_bench.run(merge_spec)
    (family_bench.folder / "link").symlink_to(Path("code"), target_is_directory=True)
    two = family_bench.run(merge_spec.replace('from "./code"', 'from "./link"'))
    assert one.manifest.plan_digest == two.manifest.plan_digest
