"""Adapters and stored task vectors by their headers, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from fusec.compiler.facts import DeltaFacts, DeltaPart, SourceProblem, SourceRequest
from fusec.compiler.lock import decode_lock, encode_lock, make_lock
from fusec.runtime.kernel import RunError
from fusec.runtime.sources import READS, inspect, open_model, pin

Q = "base_model.model.model.layers.0.self_attn.q_proj"
PAIR = {f"{Q}.lora_A.weight": np.zeros((4, 8), "f4"), f"{Q}.lora_B.weight": np.zeros((16, 4), "f4")}
WrittenBy = Callable[..., Path]
HERE = Path()


def ask(folder: Path) -> SourceRequest:
    return SourceRequest("delta", str(folder))


def facts_of(folder: Path) -> DeltaFacts:
    facts = inspect(ask(folder), base=HERE)
    assert isinstance(facts, DeltaFacts), facts
    return facts


def problem_of(folder: Path) -> SourceProblem:
    problem = inspect(ask(folder), base=HERE)
    assert isinstance(problem, SourceProblem), problem
    return problem


@pytest.fixture
def adapter(tmp_path: Path) -> WrittenBy:
    """Writes an adapter as PEFT does."""

    def write(tensors: dict[str, Any] = PAIR, **config: Any) -> Path:
        folder = tmp_path / "adapter"
        folder.mkdir(exist_ok=True)
        (folder / "adapter_model.safetensors").write_bytes(save(tensors))
        settings = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, **config}
        (folder / "adapter_config.json").write_text(json.dumps(settings))
        return folder

    return write


def test_facts_of_an_adapter(adapter: WrittenBy) -> None:
    folder = adapter(base_model_name_or_path="acme/base", target_modules=["q_proj"], lora_dropout=0.1)
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    (folder / "tokenizer.json").write_text("{}")
    facts = facts_of(folder)
    assert facts.parts == (DeltaPart("model.layers.0.self_attn.q_proj.weight", (16, 8), 4, 4 * 4 * (16 + 8)),)
    assert (facts.dtype, facts.rank, facts.bytes) == ("fp32", 4, 384)
    assert (facts.root_hint, facts.licence) == ("acme/base", "apache-2.0")
    assert [file.name for file in facts.files] == ["adapter_config.json", "adapter_model.safetensors"]


def test_inspecting_reads_no_factor_and_pinning_every_byte(adapter: WrittenBy) -> None:
    folder = adapter()
    READS.payload = 0
    facts = facts_of(folder)
    assert READS.payload == 0
    pinned = pin(ask(folder), facts, base=HERE)
    assert isinstance(pinned, DeltaFacts)
    assert pinned.pinned_by_content
    assert decode_lock(encode_lock(make_lock({ask(folder): pinned}))).facts() == {ask(folder): pinned}
    assert open_model(ask(folder), pinned, base=HERE) == folder
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 4, "lora_alpha": 9}')
    with pytest.raises(RunError, match="changed since it was locked"):
        open_model(ask(folder), pinned, base=HERE, digest=lambda path: "0" * 64)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("use_dora", True),
        ("use_qalora", True),
        ("lora_bias", True),
        ("init_lora_weights", "pissa_niter_4"),
        ("init_lora_weights", "olora"),
        ("layer_replication", [[0, 4], [2, 5]]),
        ("target_parameters", ["mlp.experts.gate_up_proj"]),
        ("trainable_token_indices", [1, 2]),
        ("alora_invocation_tokens", [7]),
        ("something_of_the_future", {"k": 1}),
    ],
)
def test_a_setting_that_no_delta_can_express_is_named(adapter: WrittenBy, setting: str, value: Any) -> None:
    problem = problem_of(adapter(**{setting: value}))
    assert problem.kind == "unsupported"
    assert f"adapter_config.json sets `{setting}`" in problem.what


def test_settings_as_new_versions_of_peft_write_them_are_fine(adapter: WrittenBy) -> None:
    facts_of(
        adapter(
            alora_invocation_tokens=None, alpha_pattern={}, arrow_config=None, auto_mapping=None, bias="none",
            corda_config=None, ensure_weight_tying=False, eva_config=None, exclude_modules=None,
            fan_in_fan_out=False, inference_mode=True, init_lora_weights=True, layer_replication=None,
            layers_pattern=None, layers_to_transform=None, loftq_config={}, lora_bias=False,
            lora_dropout=0.05, megatron_config=None, megatron_core="megatron.core",
            modules_to_save=None, peft_version="0.19.1",
            qalora_group_size=16, rank_pattern={}, revision=None, target_modules=["q_proj"],
            target_parameters=None, task_type="CAUSAL_LM", trainable_token_indices=None, use_bdlora=None,
            use_dora=False, use_qalora=False, use_rslora=False,
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    ("tensors", "what"),
    [
        ({**PAIR, f"{Q}.lora_magnitude_vector": np.zeros(16, "f4")}, "lora_magnitude_vector` of DoRA"),
        (
            {**PAIR, f"{Q}.bias": np.zeros(16, "f4")},
            "q_proj.bias`, which adapter_config.json does not account",
        ),
        ({**PAIR, "lora.weird": np.zeros(16, "f4")}, "`lora.weird`, which does not start with"),
        ({f"{Q}.lora_A.weight": np.zeros((4, 8), "f4")}, "lora_A.weight` and no `"),
        ({**PAIR, f"{Q}.lora_B.weight": np.zeros((16, 5), "f4")}, "factors of two ranks"),
        (
            {name: np.zeros((*a.shape, 3, 3), "f4") for name, a in PAIR.items()},
            "of shape [4, 8, 3, 3]; factors are",
        ),
        ({name: a.astype("i1") for name, a in PAIR.items()}, "as I8; BF16, F16, F32 can be read"),
        ({}, "holds no tensor"),
    ],
)
def test_tensors_that_mean_nothing_are_named(adapter: WrittenBy, tensors: dict[str, Any], what: str) -> None:
    assert what in problem_of(adapter(tensors)).what


def test_the_stated_rank_has_to_be_that_of_the_factors(adapter: WrittenBy) -> None:
    """The scale depends on it."""
    what = problem_of(adapter(r=8)).what
    assert f"`{Q}.lora_A.weight` of rank 4, and adapter_config.json says 8" in what
    facts_of(adapter(r=8, rank_pattern={"q_proj": 4}))


@pytest.mark.parametrize(
    ("config", "kind", "what"),
    [
        ("[", "damaged", "adapter_config.json is not readable"),
        ("[]", "damaged", "adapter_config.json is not readable"),
        ('{"peft_type": "IA3"}', "unsupported", "`peft_type: IA3`"),
        ('{"r": 4}', "unsupported", "`peft_type: None`"),
        ('{"peft_type": "LORA", "r": 0}', "damaged", "at `$.r`"),
        ('{"peft_type": "LORA", "lora_alpha": "x"}', "damaged", "at `$.lora_alpha`"),
        ('{"peft_type": "LORA", "r": 4, "lora_alpha": 1e300}', "damaged", "with the factor"),
        ('{"peft_type": "LORA", "rank_pattern": {"(": 4}}', "damaged", "`(` is no pattern"),
    ],
)
def test_configurations_that_are_none(adapter: WrittenBy, config: str, kind: str, what: str) -> None:
    folder = adapter()
    (folder / "adapter_config.json").write_text(config)
    problem = problem_of(folder)
    assert (problem.kind, what in problem.what) == (kind, True), problem.what


def test_files_that_are_cut_short_or_not_there(adapter: WrittenBy, tmp_path: Path) -> None:
    weights = adapter() / "adapter_model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1])
    assert problem_of(weights.parent).kind == "damaged"
    weights.unlink()
    assert problem_of(weights.parent).what == "the adapter has no adapter_model.safetensors"
    (weights.parent / "adapter_model.bin").write_bytes(b"\x80")
    assert "only as pickle (adapter_model.bin)" in problem_of(weights.parent).what
    (tmp_path / "empty").mkdir()
    assert problem_of(tmp_path / "empty").kind == "missing"


def test_models_and_deltas_know_each_other(adapter: WrittenBy, model: Callable[..., Path]) -> None:
    folder = adapter()
    problem = inspect(SourceRequest("model", str(folder)), base=HERE)
    assert isinstance(problem, SourceProblem)
    assert "is an adapter, not a model" in problem.what
    assert f'delta name from "{folder}"' in problem.hint
    assert "a whole model is declared as `model`" in problem_of(model("m")).hint


def test_a_stored_task_vector(tmp_path: Path) -> None:
    folder = tmp_path / "change"
    folder.mkdir()
    tensors = {"a.weight": np.zeros((4, 2), "f4"), "b.weight": np.zeros(3, "f4")}
    (folder / "model.safetensors").write_bytes(save(tensors))
    manifest = {"base": "0" * 64, "model": "1" * 64, "format": "fusec-delta", "version": 1}
    (folder / "delta.json").write_text(json.dumps(manifest))
    facts = facts_of(folder)
    assert facts.parts == (DeltaPart("a.weight", (4, 2), 0, 32), DeltaPart("b.weight", (3,), 0, 12))
    assert (facts.rank, facts.dtype, facts.root_hint) == (0, "fp32", None)
    for change, what in (({"format": "x"}, "not readable"), ({"version": 2}, "newer than 1")):
        (folder / "delta.json").write_text(json.dumps(manifest | change))
        assert what in problem_of(folder).what
