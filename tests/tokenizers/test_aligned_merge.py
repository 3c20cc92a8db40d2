"""Two models of one ancestor with different vocabularies: aligned, merged, run from the command line."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file
from tokenizers import AddedToken
from transformers import AutoTokenizer

from fusec.cli.main import dispatch
from fusec.runtime.sources.tokenizer_facts import token_rows

SPEC = """\
edition 2026

model base from "./base"
model chat: Model[_, _, root: base] from "./chat"

tokenizer both = union_tokenizers { of: [base, chat], chat_template: chat }

model wide[m in ["base", "chat"]] = transplant_tokenizer {
  model: ["base": base, "chat": chat][m]
  tokenizer: both
  donors: [base, chat]
  pad_to_multiple_of: 8
}

model merged = merge { base: wide.base, experts: [wide.chat: 0.5], method: task_arithmetic }

output merged to "./out/merged"
"""


@pytest.fixture
def project(make, tmp_path, monkeypatch):
    plain, chat = make.byte_level(make.PROSE, 280), make.byte_level(make.PROSE + make.CODE, 290)
    chat.add_special_tokens([AddedToken("<|user|>", special=True)])
    ids = {"bos_token_id": 0, "eos_token_id": 1}
    roles = {"bos_token": "<s>", "eos_token": "</s>"}
    make.save_model(tmp_path / "base", 280, seed=1, config=ids, dtype=torch.float32)
    make.save_tokenizer(plain, tmp_path / "base", **roles)
    make.save_model(tmp_path / "chat", 291, seed=2, config=ids, dtype=torch.float32)
    make.save_tokenizer(chat, tmp_path / "chat", **roles, chat_template=make.CHAT_TEMPLATE)
    (tmp_path / "spec.fuse").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def weights(folder):
    return load_file(folder / "model.safetensors")


def test_models_of_two_vocabularies_merge_row_by_row(project, make, capfd):
    for command in ("check", "lock", "plan", "run"):
        assert dispatch([command, "spec.fuse"]) == 0, capfd.readouterr()
    merged, base, chat = (weights(project / f) for f in ("out/merged", "base", "chat"))
    number, of_base, of_chat = (token_rows(project / f) for f in ("out/merged", "base", "chat"))
    assert number.keys() == of_base.keys() | of_chat.keys()
    for name in ("model.embed_tokens.weight", "lm_head.weight", "lm_head.bias"):
        for token, row in number.items():
            b = base[name][of_base[token]] if token in of_base else chat[name][of_chat[token]]
            c = chat[name][of_chat[token]] if token in of_chat else b
            assert torch.allclose(merged[name][row], b + 0.5 * (c - b), rtol=1e-5, atol=1e-6), token
    config = json.loads((project / "out/merged/config.json").read_text())
    assert config["vocab_size"] == len(merged["lm_head.weight"]) == -(-len(number) // 8) * 8
    loaded = AutoTokenizer.from_pretrained(project / "out/merged")
    text = "the river <|user|> return width * height\n"
    assert loaded.decode(loaded(text, add_special_tokens=False)["input_ids"]) == text
    assert loaded.chat_template == make.CHAT_TEMPLATE


def test_a_second_run_from_nothing_gives_the_same_bytes(project):
    assert dispatch(["run", "spec.fuse"]) == 0
    first = {p.name: p.read_bytes() for p in (project / "out/merged").glob("*[!d]") if p.is_file()}
    shutil.rmtree(project / ".fusec")
    shutil.rmtree(project / "out")
    assert dispatch(["run", "spec.fuse"]) == 0
    again = {p.name: p.read_bytes() for p in (project / "out/merged").glob("*[!d]") if p.is_file()}
    assert again == first
    assert "model.safetensors" in first


def test_a_model_with_more_tokens_goes_back_onto_the_tokenizer_of_its_base(project):
    text = SPEC[: SPEC.index("tokenizer both")]
    text += "model back = transplant_tokenizer { model: chat, tokenizer: base, donors: [base] }\n"
    text += "model merged = merge { base: base, experts: [back], method: average }\n"
    (project / "spec.fuse").write_text(text + 'output merged to "./out/merged"\n')
    assert dispatch(["run", "spec.fuse"]) == 0
    merged, base = weights(project / "out/merged"), weights(project / "base")
    assert merged["lm_head.weight"].shape == base["lm_head.weight"].shape


def test_a_merge_without_alignment_says_which_verb_aligns(project, capfd):
    text = SPEC[: SPEC.index("tokenizer both")]
    text += "model merged = merge { base: base, experts: [chat], method: average }\n"
    (project / "spec.fuse").write_text(text + 'output merged to "./out/merged"\n')
    assert dispatch(["check", "spec.fuse"]) == 1
    said = capfd.readouterr().err
    assert "FUSE203" in said
    assert "transplant_tokenizer" in said


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("union_tokenizers { of: [] }", "FUSE209"),
        ("union_tokenizers { of: [base, bare] }", "`bare`, a model without a tokenizer"),
    ],
)
def test_unions_that_cannot_be(project, make, capfd, line, says):
    make.save_model(project / "bare", 280)
    text = SPEC[: SPEC.index("tokenizer both")] + 'model bare from "./bare"\n'
    text += f"tokenizer both = {line}\nmodel back = transplant_tokenizer {{ model: chat, tokenizer: both }}\n"
    (project / "spec.fuse").write_text(text + 'output back to "./out/back"\n')
    assert dispatch(["check", "spec.fuse"]) == 1
    assert says in capfd.readouterr().err


@pytest.mark.parametrize(
    ("slots", "says"),
    [
        ("tokens: [base]", "cannot be a list"),
        ('tokens: ["</s>": base], zero: ["</s>"]', "which `tokens` gives a row"),
        ('force: ["</s>"]', "`force` cannot be"),
        ("donors: [stranger]", "descends from another checkpoint"),
        ("donors: [wider]", "lives in another weight space"),
        ("pad_to_multiple_of: 0", "FUSE212"),
        ("missing: random", "FUSE107"),
    ],
)
def test_transplants_that_cannot_be(project, make, capfd, slots, says):
    for name, hidden in (("stranger", 8), ("wider", 16)):
        make.save_model(project / name, 280, hidden=hidden)
        shutil.copy(project / "base" / "tokenizer.json", project / name)
    text = SPEC[: SPEC.index("tokenizer both")]
    text += 'model stranger from "./stranger"\nmodel wider from "./wider"\n'
    text += f"model back = transplant_tokenizer {{ model: chat, tokenizer: base, {slots} }}\n"
    text += 'output back to "./out/back"\noutput stranger to "./a"\noutput wider to "./b"\n'
    (project / "spec.fuse").write_text(text)
    assert dispatch(["check", "spec.fuse"]) == 1
    assert says in capfd.readouterr().err


def test_init_needs_a_height_where_only_the_run_knows_the_tokens(project, capfd):
    text = SPEC[: SPEC.index("model wide")] + "param seed = 1\n"
    line = "model blank = init { tokenizer: both, arch: llama(layers: 1, hidden: 8, heads: 2) }\n"
    (project / "spec.fuse").write_text(text + line + "output blank to './out/blank'\n")
    assert dispatch(["check", "spec.fuse"]) == 1
    assert "only the run finds out" in capfd.readouterr().err
    line = line.replace("heads: 2", "heads: 2, vocab: 600")
    (project / "spec.fuse").write_text(text + line + "output blank to './out/blank'\n")
    assert dispatch(["run", "spec.fuse"]) == 0
    assert len(weights(project / "out/blank")["lm_head.weight"]) == 600
