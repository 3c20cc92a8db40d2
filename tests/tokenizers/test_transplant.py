"""Transplants against a slow reference that goes token by token, in Python numbers."""

import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken
from transformers import AutoTokenizer

from fusec.runtime.kernel import RunError
from fusec.runtime.sources.tokenizer_facts import token_rows

TOKENS = ("model.embed_tokens.weight", "lm_head.weight", "lm_head.bias")


@pytest.fixture(scope="module")
def family(make, union, tmp_path_factory):
    """`base` with tokens of prose, `code` and `chat` with others; `union` has the tokens of all."""
    root = tmp_path_factory.mktemp("family")
    plain, code = make.byte_level(make.PROSE, 280), make.byte_level(make.CODE, 275)
    chat = make.byte_level(make.PROSE, 280)
    chat.add_special_tokens([AddedToken("<|user|>", special=True), AddedToken("<|end|>", special=True)])
    for seed, (name, tokenizer, rows) in enumerate(
        (("base", plain, 288), ("code", code, 275), ("chat", chat, 282))
    ):
        ids = {"bos_token_id": 0, "eos_token_id": 1}
        make.save_model(root / name, rows, seed=seed, config=ids)
        make.save_tokenizer(tokenizer, root / name, bos_token="<s>", eos_token="</s>")
    (root / "union").symlink_to(union(root / "base", root / "code", root / "chat").path)
    return root


def weights(folder):
    return load_file(folder / "model.safetensors")


def mean(rows):
    """In double precision, rounded to float32 and then to the stored type."""
    total = rows[0].double()
    for row in rows[1:]:
        total = total + row.double()
    return (total / len(rows)).float().to(rows[0].dtype)


def reference(model, tokenizer, donors=(), missing="mean", base=None):
    """Token by token: the own row, the base's, the mean of the donors that have it, `missing`."""
    own, target = token_rows(model), token_rows(tokenizer)
    holders = [(weights(folder), token_rows(folder)) for folder in donors]
    out = weights(model)
    for name in TOKENS:
        has = weights(model)[name]
        every = mean([has[row] for row in sorted(own.values())])
        rows = [every] * (max(target.values()) + 1)
        for token, number in target.items():
            having = [w[name][r[token]] for w, r in holders if token in r]
            if token in own:
                rows[number] = has[own[token]]
            elif base and token in token_rows(base):
                rows[number] = weights(base)[name][token_rows(base)[token]]
            elif having:
                rows[number] = mean(having)
            else:
                rows[number] = torch.zeros_like(every) if missing == "zero" else every
        out[name] = torch.stack(rows)
    return out


@pytest.mark.parametrize("missing", ["mean", "zero"])
@pytest.mark.parametrize("base", [None, "base", "chat"])
@pytest.mark.parametrize("donors", [(), ("base", "chat"), ("chat", "code", "base")])
@pytest.mark.parametrize("model", ["base", "code"])
def test_every_row_is_that_of_the_reference(family, transplant, model, base, donors, missing):
    folders, base = [family / name for name in donors], base and family / base
    made = transplant(family / model, family / "union", base=base, donors=folders, missing=missing)
    made, expected = weights(made.path), reference(family / model, family / "union", folders, missing, base)
    assert made.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(made[name], tensor), name


def test_a_tokenizer_of_other_order_and_fewer_tokens(family, transplant):
    made = weights(transplant(family / "base", family / "code", donors=[family / "chat"]).path)
    expected = reference(family / "base", family / "code", [family / "chat"])
    assert all(torch.equal(made[name], tensor) for name, tensor in expected.items())


def test_its_own_tokenizer_gives_the_bytes_of_the_model(family, transplant):
    same = transplant(family / "chat", family / "chat")
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        if name == "model.safetensors":  # headers may be laid out otherwise
            one, other = weights(same.path), weights(family / "chat")
            assert all(torch.equal(one[tensor], other[tensor]) for tensor in other)
        else:
            assert (same.path / name).read_bytes() == (family / "chat" / name).read_bytes()


def test_rows_without_tokens_stay_where_they_are_and_padding_is_the_mean(family, transplant):
    """`base` has 280 tokens and 288 rows."""
    before = weights(family / "base")["lm_head.weight"]
    made = weights(transplant(family / "base", family / "base", pad_to_multiple_of=64).path)["lm_head.weight"]
    assert len(made) == 320
    assert torch.equal(made[:288], before)
    every = mean(list(before[:280]))
    assert all(torch.equal(row, every) for row in made[288:])


def test_single_tokens_take_rows_as_they_are_told(family, transplant):
    user, end, s = "<|user|>", "<|end|>", "</s>"
    codes = token_rows(family / "code")
    word = max(codes, key=codes.__getitem__)
    made = transplant(
        family / "chat",
        family / "union",
        tokens={s: family / "base", word: family / "code"},
        zero=(end,),
        force=(s, end),
    )
    rows, numbers = weights(made.path)["model.embed_tokens.weight"], token_rows(family / "union")
    chat, base, code = (weights(family / n)["model.embed_tokens.weight"] for n in ("chat", "base", "code"))
    assert torch.equal(rows[numbers[s]], base[token_rows(family / "base")[s]])
    assert torch.equal(rows[numbers[user]], chat[token_rows(family / "chat")[user]])
    assert torch.equal(rows[numbers[word]], code[codes[word]])
    assert not rows[numbers[end]].any()


def test_a_wish_without_force_leaves_rows_that_are_there(family, transplant):
    plain = weights(transplant(family / "chat", family / "union").path)
    wished = weights(transplant(family / "chat", family / "union", tokens={"<s>": family / "base"}).path)
    assert all(torch.equal(plain[name], wished[name]) for name in plain)


def test_numbers_of_special_tokens_follow_their_text(family, transplant, make, tmp_path):
    turned = make.byte_level(make.PROSE, 280, special=("<pad>", "</s>", "<s>", "<|user|>"))
    make.save_tokenizer(turned, tmp_path / "turned", bos_token="<s>", eos_token="</s>", pad_token="<pad>")
    model = tmp_path / "model"
    ids = {"bos_token_id": 0, "eos_token_id": [1, 280], "pad_token_id": 281, "image_token_index": 280}
    make.save_model(model, 282, config=ids)
    make.lend_tokenizer(family / "chat", model)
    (model / "generation_config.json").write_text(json.dumps({"pad_token_id": 0, "temperature": 0.5}))
    made = transplant(model, tmp_path / "turned").path
    config = json.loads((made / "config.json").read_text())
    # `<|end|>`, 281, is gone: the new tokenizer's own padding takes its place.
    assert {name: config[name] for name in ids} == {
        "bos_token_id": 2,
        "eos_token_id": [1, 3],
        "pad_token_id": 0,
        "image_token_index": 3,
    }
    assert config["vocab_size"] == 280
    generation = json.loads((made / "generation_config.json").read_text())
    assert generation == {"pad_token_id": 2, "temperature": 0.5}
    assert AutoTokenizer.from_pretrained(made).pad_token == "<pad>"


def test_a_tied_model_has_one_matrix_as_before(family, transplant, make, tmp_path):
    before = make.save_model(tmp_path / "tied", 275, tied=True)
    make.lend_tokenizer(family / "code", tmp_path / "tied")
    made = weights(transplant(tmp_path / "tied", family / "union", donors=[family / "base"]).path)
    assert made.keys() == before.keys()


def test_a_tied_donor_gives_rows_of_its_embedding_to_a_head(family, transplant, make, tmp_path):
    model, donor = tmp_path / "untied", tmp_path / "tied"
    make.save_model(model, 280, bias=False)
    make.lend_tokenizer(family / "base", model)
    embedding = make.save_model(donor, 282, tied=True, seed=2)["model.embed_tokens.weight"]
    make.lend_tokenizer(family / "chat", donor)
    made = weights(transplant(model, family / "chat", donors=[donor]).path)
    number = token_rows(donor)["<|user|>"]
    assert torch.equal(made["lm_head.weight"][number], embedding[number])


def test_numbers_with_holes_and_beyond_the_matrix(family, transplant, make, tmp_path):
    """A token whose number lies beyond the matrix counts as one that the model lacks."""
    model = tmp_path / "model"
    before = make.save_model(model, 281)
    make.lend_tokenizer(family / "chat", model)
    target = tmp_path / "holes"
    target.mkdir()
    state = json.loads((family / "chat" / "tokenizer.json").read_text())
    state["added_tokens"][-1]["id"] = 290
    (target / "tokenizer.json").write_text(json.dumps(state))
    made = weights(transplant(model, target, missing="zero").path)["lm_head.weight"]
    assert len(made) == 291
    assert torch.equal(made[:281], before["lm_head.weight"])
    assert not made[290].any()
    every = mean(list(before["lm_head.weight"]))
    assert all(torch.equal(row, every) for row in made[281:290])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_row_of_a_donor_stored_otherwise_is_rounded_once(family, transplant, make, tmp_path, dtype):
    donor = tmp_path / "donor"
    rows = make.save_model(donor, 275, dtype=dtype, seed=4)["lm_head.weight"]
    make.lend_tokenizer(family / "code", donor)
    made = weights(transplant(family / "base", family / "union", donors=[donor]).path)["lm_head.weight"]
    numbers, codes = token_rows(family / "union"), token_rows(donor)
    for token in codes.keys() - token_rows(family / "base").keys():
        assert torch.equal(made[numbers[token]], rows[codes[token]].to(torch.bfloat16))


def test_what_became_of_the_tokens_is_an_event(family, transplant):
    events = dict(transplant(family / "chat", family / "code", donors=[family / "code"]).events)
    own, target = token_rows(family / "chat"), token_rows(family / "code")
    assert events["transplanted"] == {
        "rows": 275,
        "kept": len(own.keys() & target.keys()),
        "from_donors": len(target.keys() - own.keys()),
        "without_donor": 0,
        "dropped": len(own.keys() - target.keys()),
    }


def test_the_hash_seed_has_no_part_in_it(family, tmp_path):
    script = """
import sys
from pathlib import Path
from fusec.runtime.kernel import Artifact, Context, Meter
from fusec.runtime.kernels.transplant_tokenizer import run
out, root = Path(sys.argv[1]), Path(sys.argv[2]); out.mkdir()
model, code, chat = (Artifact("model", root / name, name) for name in ("base", "code", "chat"))
words = Artifact("tokenizer", root / "union", "union")
slots = {"zero": ("</s>",), "force": ("</s>",), "missing": "mean", "pad_to_multiple_of": 64}
inputs = {"model": model, "tokenizer": words, "donors": (("", code), ("", chat))}
run(inputs, slots, Context(out=out, emit=lambda kind, **fields: None, meter=Meter()))
"""
    results = set()
    for seed in ("1", "2"):
        out = tmp_path / f"seed-{seed}"
        command = [sys.executable, "-c", script, str(out), str(family)]
        subprocess.run(command, check=True, env={"PYTHONHASHSEED": seed})
        results.add(tuple((path.name, path.read_bytes()) for path in sorted(out.iterdir())))
    assert len(results) == 1


# --- what cannot be had -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wishes", "says"),
    [
        ({"tokens": {"<|nobody|>": "base"}}, "`tokens` names '<|nobody|>', which is no token"),
        ({"zero": ("<|nobody|>",)}, "`zero` names '<|nobody|>', which is no token"),
        ({"tokens": {"<|user|>": "code"}}, "code has no row for the token '<|user|>'"),
    ],
)
def test_a_wish_that_cannot_be_had_names_the_token(family, transplant, wishes, says):
    tokens = {token: family / name for token, name in wishes.pop("tokens", {}).items()}
    with pytest.raises(RunError, match=says.replace("|", r"\|")):
        transplant(family / "base", family / "union", tokens=tokens, **wishes)


def test_a_donor_of_another_width_is_refused(family, transplant, make, tmp_path):
    make.save_model(tmp_path / "wide", 282, hidden=16)
    make.lend_tokenizer(family / "chat", tmp_path / "wide")
    with pytest.raises(RunError, match=r"wide has rows of \[16\] in"):
        transplant(family / "base", family / "union", donors=[tmp_path / "wide"])


def test_a_model_without_a_tokenizer_is_refused(transplant, family, make, tmp_path):
    make.save_model(tmp_path / "bare", 280)
    with pytest.raises(RunError, match="bare has no tokenizer"):
        transplant(tmp_path / "bare", family / "union")


def test_a_tensor_that_may_hold_tokens_is_refused(transplant, family, make, tmp_path):
    model = tmp_path / "model"
    tensors = make.save_model(model, 282)
    tensors["model.embed_tokens_per_layer.weight"] = tensors["model.embed_tokens.weight"].clone()
    save_file(tensors, model / "model.safetensors", metadata={"format": "pt"})
    make.lend_tokenizer(family / "chat", model)
    with pytest.raises(RunError, match=r"embed_tokens_per_layer.weight` that may have a row for each token"):
        transplant(model, family / "union")


def test_a_field_that_holds_a_lost_token_is_named(transplant, family, make, tmp_path):
    model = tmp_path / "model"
    make.save_model(model, 282, config={"decoder_start_token_id": 281})
    make.lend_tokenizer(family / "chat", model)
    with pytest.raises(RunError, match=r"`decoder_start_token_id` is 281, the token '<\|end\|>'"):
        transplant(model, family / "base")


def test_a_number_far_beyond_all_rows_is_a_mistake(transplant, family, tmp_path):
    state = json.loads((family / "chat" / "tokenizer.json").read_text())
    state["added_tokens"][-1]["id"] = 10**12
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "tokenizer.json").write_text(json.dumps(state))
    with pytest.raises(RunError, match=r"gives '<.end.>' the number 1000000000000"):
        transplant(family / "base", tmp_path / "far")
