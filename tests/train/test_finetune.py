"""finetune: what is learned, what is kept, and how it stops."""

import math
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from fusec.runtime.kernel import Artifact, RunError


def tensors(model):
    return load_file(model.path / "model.safetensors")


def losses(run):
    return [fields["loss"] for kind, fields in run.events if kind == "loss"]


def reference(model, rows):
    """Mean loss of the response tokens, one at a time, in fp64; rows are (prompt ids, response ids)."""
    net = AutoModelForCausalLM.from_pretrained(model.path).double()
    total, count = 0.0, 0
    for prompt, response in rows:
        ids = prompt + response
        for at in range(len(prompt), len(ids)):
            logits = net(torch.tensor([ids[:at]])).logits[0, -1]
            total -= logits.log_softmax(-1)[ids[at]].item()
            count += 1
    return total / count


def test_the_loss_falls(finetune, model, text):
    run = finetune(model, text, epochs=6.0, context=32)
    first, *_, last = losses(run)
    assert first == pytest.approx(math.log(300), abs=0.2)
    assert last < first - 1


def test_only_responses_are_learned(finetune, model, pairs):
    tokenizer = AutoTokenizer.from_pretrained(model.path)
    table = [
        ("Where does the river go?", "To the harbour."),
        ("Area?", "return width * height"),
        ("Who planted the old pear trees behind the mill?", "Nobody remembers."),
    ]
    rows = [
        (tokenizer(p)["input_ids"], [*tokenizer(r, add_special_tokens=False)["input_ids"], 2])
        for p, r in table
    ]
    run = finetune(model, pairs, steps=1)
    assert losses(run) == [pytest.approx(reference(model, rows), abs=1e-5)]


def test_only_the_assistant_of_a_conversation_is_learned(finetune, model, data):
    talk = [
        {"role": "user", "content": "Area?"},
        {"role": "assistant", "content": "width"},
        {"role": "user", "content": "of what?"},
        {"role": "assistant", "content": "the river"},
        {"role": "user", "content": "thanks"},
    ]
    tokenizer = AutoTokenizer.from_pretrained(model.path)

    def ids(text):
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    # Each answer is judged after all that was said before it; the last turn teaches nothing.
    first = ids("<s><|user|>\nArea?</s>\n<|assistant|>\n"), ids("width</s>\n")
    second = ids("<|user|>\nof what?</s>\n<|assistant|>\n"), ids("the river</s>\n")
    one, two = len(first[1]), len(second[1])
    expected = (
        one * reference(model, [first])
        + two * reference(model, [([*first[0], *first[1], *second[0]], second[1])])
    ) / (one + two)
    run = finetune(model, data(messages=[talk]), steps=1)
    assert losses(run) == [pytest.approx(expected, abs=1e-5)]


def test_small_batches_gathered_are_one_big_batch(finetune, model, data):
    rows = data(
        prompt=["a", "b", "c", "d"], response=["x", "the river carries", "y z", "old pear trees behind"]
    )
    whole = finetune(model, rows, steps=4, batch=4)
    parts = finetune(model, rows, steps=4, batch=1, accumulate=4)
    assert losses(parts) == pytest.approx(losses(whole), abs=1e-4)


def test_epochs_become_steps(finetune, model, pairs):
    assert finetune(model, pairs, batch=2).meter.steps == 2
    assert finetune(model, pairs, batch=2, epochs=2.5).meter.steps == 5
    assert finetune(model, pairs, batch=1, accumulate=2, epochs=2.0).meter.steps == 4


def test_the_meter_counts_real_tokens(finetune, model, pairs):
    meter = finetune(model, pairs, epochs=2.0).meter
    tokenizer = AutoTokenizer.from_pretrained(model.path)
    prompts = ["Where does the river go?", "Area?", "Who planted the old pear trees behind the mill?"]
    responses = ["To the harbour.", "return width * height", "Nobody remembers."]
    once = sum(len(tokenizer(text)["input_ids"]) for text in prompts + responses)  # bos there, eos here
    weights = sum(t.numel() for t in tensors(model).values())
    assert meter.tokens == 2 * once
    assert meter.flops == 6 * weights * meter.tokens


@pytest.mark.parametrize("tied", [True, False])
def test_tied_heads_stay_tied_and_the_space_stays_the_same(finetune, make_model, pairs, tied):
    base = make_model(tie_embeddings=tied)
    tuned = finetune(base, pairs, steps=2).artifact
    before, after = tensors(base), tensors(tuned)
    assert {n: (t.shape, t.dtype) for n, t in after.items()} == {
        n: (t.shape, t.dtype) for n, t in before.items()
    }
    assert ("lm_head.weight" in after) is not tied
    net = AutoModelForCausalLM.from_pretrained(tuned.path)
    assert (net.lm_head.weight.data_ptr() == net.model.embed_tokens.weight.data_ptr()) is tied
    assert all(not torch.equal(before[name], after[name]) for name in before)


def test_a_bf16_base_is_trained_in_fp32_and_rounded_once(finetune, make_model, pairs):
    base = make_model(dtype="bf16")
    # Steps of 1e-6 are lost one by one in bf16; together they are not.
    tuned = finetune(base, pairs, steps=40, lr=5e-5, schedule="constant").artifact
    name = "model.layers.0.mlp.up_proj.weight"
    assert {t.dtype for t in tensors(tuned).values()} == {torch.bfloat16}
    moved = tensors(tuned)[name].float() - tensors(base)[name].float()
    assert (moved != 0).float().mean() > 0.5


def test_everything_but_the_weights_is_the_base(finetune, model, pairs):
    tuned = finetune(model, pairs, steps=1).artifact
    names = {path.name for path in model.path.iterdir()}
    assert {path.name for path in tuned.path.iterdir()} == names
    for name in names - {"model.safetensors"}:
        assert (tuned.path / name).read_bytes() == (model.path / name).read_bytes()


def test_names_of_an_old_checkpoint_are_kept(finetune, make_model, pairs, tmp_path):
    """Hub checkpoints of GPT-2 lack the prefix and carry masks nobody reads."""
    shutil.copytree(make_model(arch="gpt2", kv_heads=None).path, tmp_path / "old")
    old = Artifact("model", tmp_path / "old", "old")
    weights = {name.removeprefix("transformer."): weight for name, weight in tensors(old).items()}
    weights["h.0.attn.bias"] = torch.ones(1, 1, 64, 64).bool()
    save_file(weights, old.path / "model.safetensors", {"format": "pt"})

    after = tensors(finetune(old, pairs, steps=1).artifact)
    assert after.keys() == weights.keys()
    assert torch.equal(after["h.0.attn.bias"], weights["h.0.attn.bias"])
    assert not torch.equal(after["h.0.ln_1.weight"], weights["h.0.ln_1.weight"])


def test_progress_counts_to_the_end(finetune, model, pairs):
    events = finetune(model, pairs, steps=3).events
    progress = [fields for kind, fields in events if kind == "progress"]
    assert progress == [{"done": n, "total": 3, "unit": "steps"} for n in (1, 2, 3)]


def test_rows_that_are_cut_are_told(finetune, model, data):
    rows = data(prompt=["a", "b", "c"], response=["short", "river " * 30, "pear " * 30])
    events = finetune(model, rows, steps=1, context=16).events
    assert ("truncated", {"rows": 2, "first": 2, "context": 16}) in events


def test_it_says_nothing_on_the_terminal(finetune, model, pairs, capfd):
    finetune(model, pairs, steps=2)
    assert capfd.readouterr() == ("", "")


def test_a_loss_that_breaks_names_the_step(finetune, model, pairs):
    with pytest.raises(RunError, match=r"(loss|gradient) is not finite at step 2 of 5"):
        finetune(model, pairs, steps=5, lr=1e30, schedule="constant")
