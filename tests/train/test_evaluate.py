"""evaluate: the same numbers as a loop over single tokens, whatever the batch."""

import json
import math

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from fusec.runtime.kernel import RunError


@pytest.fixture(scope="module")
def tuned(finetune, model, text):
    """A model with opinions: an untrained one finds every token alike."""
    return finetune(model, text, steps=15).artifact


@pytest.fixture(scope="module")
def report(execute):
    def run(model, data, batch=3, context=None):
        data = data if isinstance(data, tuple) else (("", data),)
        result = execute("evaluate", {"model": model, "data": data}, batch=batch, context=context)
        return json.loads((result.artifact.path / "report.json").read_text())

    return run


def reference(model, texts, context):
    """(loss, accuracy, tokens), token by token: bos first, eos last, disjoint windows, none scored first."""
    net = AutoModelForCausalLM.from_pretrained(model.path, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(model.path)
    loss, right, count = 0.0, 0, 0
    with torch.no_grad():
        for text in texts:
            ids = [*tokenizer(text)["input_ids"], tokenizer.eos_token_id]
            for start in range(0, len(ids), context):
                window = ids[start : start + context]
                for at in range(1, len(window)):
                    logits = net(torch.tensor([window[:at]])).logits[0, -1]
                    loss -= logits.double().log_softmax(-1)[window[at]].item()
                    right += int(logits.argmax()) == window[at]
                    count += 1
    return loss / count, right / count, count


def test_it_agrees_with_a_loop_over_tokens(report, tuned, data, sentences):
    texts = sentences[:4]
    loss, accuracy, tokens = reference(tuned, texts, context=10)
    got = report(tuned, data(text=texts), context=10)
    assert got["loss"] == pytest.approx(loss, abs=1e-5)
    assert got["accuracy"] == pytest.approx(accuracy)
    assert got["tokens"] == tokens
    assert got["perplexity"] == math.exp(got["loss"])
    assert got["average"] == {key: got[key] for key in ("loss", "perplexity", "accuracy", "tokens")}


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_the_batch_does_not_matter(report, finetune, make_model, text, dtype):
    tuned = finetune(make_model(dtype=dtype), text, steps=5).artifact
    one = report(tuned, text, batch=1, context=12)
    for batch in (2, 7, 64):
        got = report(tuned, text, batch=batch, context=12)
        assert got["loss"] == pytest.approx(one["loss"], abs=1e-5)
        assert got["tokens"] == one["tokens"]


def test_only_responses_are_scored(report, tuned, data):
    tokenizer = AutoTokenizer.from_pretrained(tuned.path)
    response = "To the harbour."
    got = report(tuned, data(prompt=["Where does the river go?"], response=[response]))
    assert got["tokens"] == len(tokenizer(response, add_special_tokens=False)["input_ids"]) + 1


def test_keys_weigh_alike_in_the_average(report, tuned, data, sentences):
    code = data(text=[s for s in sentences if "\n" in s])
    prose = data(text=[s for s in sentences[:6] if "\n" not in s])
    got = report(tuned, (("code", code), ("prose", prose)))
    assert list(got) == ["code", "prose", "average"]
    assert got["code"] == report(tuned, code)["average"]
    loss = (got["code"]["loss"] + got["prose"]["loss"]) / 2
    assert got["average"] == {
        "loss": loss,
        "perplexity": math.exp(loss),
        "accuracy": (got["code"]["accuracy"] + got["prose"]["accuracy"]) / 2,
        "tokens": got["code"]["tokens"] + got["prose"]["tokens"],
    }


def test_keys_that_cannot_be_told_apart(report, tuned, text):
    with pytest.raises(RunError, match="called `average`"):
        report(tuned, (("average", text), ("other", text)))
    with pytest.raises(RunError, match="2 data sets have no keys"):
        report(tuned, (("", text), ("", text)))
