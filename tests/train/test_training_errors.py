"""Inputs that cannot be trained on or scored: one sentence that names the row, tensor or file."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from fusec.runtime.kernel import Artifact, RunError


@pytest.fixture
def copy(model, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(model.path, folder)
    return Artifact("model", folder, "copy")


@pytest.fixture(params=["finetune", "evaluate"])
def attempt(request, finetune, execute):
    """Both verbs refuse the same inputs alike."""

    def run(model, data, context=None):
        if request.param == "finetune":
            finetune(model, data, steps=1, context=context)
        else:
            execute("evaluate", {"model": model, "data": (("", data),)}, batch=2, context=context)

    return run


def change(model, edit):
    path = model.path / "model.safetensors"
    weights = load_file(path)
    edit(weights)
    save_file(weights, path, {"format": "pt"})


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"body": ["a"]}, "neither `messages`, nor `prompt` and `response`, nor `text`"),
        ({"text": ["a river", None]}, "row 2 has no value in column `text`"),
        (
            {"prompt": ["a", "b", "c"], "response": ["x", "y", None]},
            "row 3 has no value in column `response`",
        ),
        ({"prompt": ["a"], "response": [3]}, "row 1 has int in column `response`"),
        ({"messages": [[{"role": "user", "content": "hi"}]]}, "row 1 has no turn of role `assistant`"),
        ({"text": []}, "no text to learn from or to score|has NoneType|null"),
    ],
)
def test_rows(attempt, model, data, columns, says):
    with pytest.raises(RunError, match=says):
        attempt(model, data(**columns))


def test_a_prompt_that_fills_the_context(finetune, model, data):
    rows = data(prompt=["short", "river " * 40], response=["yes", "no"])
    with pytest.raises(RunError, match="row 2 has no token of a response within its first 16 tokens"):
        finetune(model, rows, steps=1, context=16)


def test_a_stream_that_breaks_off(attempt, model, text, tmp_path):
    whole = (text.path / "data.arrow").read_bytes()
    (tmp_path / "data.arrow").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RunError, match=r"break off|not an Arrow stream"):
        attempt(model, Artifact("data", tmp_path, "cut"))


def test_more_context_than_the_model_takes(attempt, model, text):
    with pytest.raises(RunError, match="context is 128 tokens, the model takes 64"):
        attempt(model, text, context=128)


def test_a_tensor_too_few(attempt, copy, text):
    change(copy, lambda weights: weights.pop("model.layers.1.mlp.up_proj.weight"))
    with pytest.raises(RunError, match=r"no tensor `model\.layers\.1\.mlp\.up_proj\.weight`"):
        attempt(copy, text)


def test_a_tensor_of_another_shape(attempt, copy, text):
    change(copy, lambda weights: weights.update({"model.norm.weight": torch.ones(5)}))
    with pytest.raises(RunError, match=r"`model\.norm\.weight` .* has shape \(5,\), its config says \(32,\)"):
        attempt(copy, text)


def test_a_weight_that_is_not_finite(attempt, copy, text):
    change(copy, lambda weights: weights["model.norm.weight"][3].fill_(torch.nan))
    with pytest.raises(RunError, match=r"`model\.norm\.weight` .* not finite"):
        attempt(copy, text)


def test_a_truncated_file(attempt, copy, text):
    path = copy.path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(RunError, match="does not load"):
        attempt(copy, text)


def test_a_tokenizer_larger_than_the_embedding(attempt, copy, text):
    config = json.loads((copy.path / "config.json").read_text())
    (copy.path / "config.json").write_text(json.dumps(config | {"vocab_size": 290}))

    def shrink(weights):
        for name in {"model.embed_tokens.weight", "lm_head.weight"} & weights.keys():
            weights[name] = weights[name][:290].clone()

    change(copy, shrink)
    with pytest.raises(RunError, match=r"tokenizer .* has 300 tokens, the model has rows for 290"):
        attempt(copy, text)


def test_finite_weights_whose_logits_overflow(execute, copy, text):
    change(copy, lambda weights: weights["model.norm.weight"].fill_(3e38))
    with pytest.raises(RunError, match=r"not finite on row \d+ of the data"):
        execute("evaluate", {"model": copy, "data": (("", text),)}, batch=2, context=None)


def test_code_in_a_folder_is_never_run(attempt, copy, text, tmp_path):
    trap = tmp_path / "ran"
    (copy.path / "modeling_trap.py").write_text(f"open({str(trap)!r}, 'w')\n")
    config = json.loads((copy.path / "config.json").read_text())
    auto = {"AutoConfig": "modeling_trap.C", "AutoModelForCausalLM": "modeling_trap.M"}
    (copy.path / "config.json").write_text(json.dumps(config | {"model_type": "trap", "auto_map": auto}))
    with pytest.raises(RunError, match="does not load"):
        attempt(copy, text)
    assert not trap.exists()
