"""Imported merges of models with different tokens; rows are those of mergekit's rules."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from fusec.cli.main import dispatch

WORDS = {
    "base": ["<s>", "a", "b", "c"],
    "math": ["<s>", "a", "b", "c", "x", "y"],
    "code": ["<s>", "b", "a", "x", "z"],
}
ORDER = ["<s>", "a", "b", "c", "x", "y", "z"]
NAMES = ("model.embed_tokens.weight", "lm_head.weight")

SETTINGS = {
    "union": ("tokenizer_source: union", ORDER, 7, {}),
    "the base's, padded": ("tokenizer: {source: base, pad_to_multiple_of: 3}", WORDS["base"], 6, {}),
    "an expert's": ("tokenizer_source: ./code", WORDS["code"], 5, {}),
    "single tokens": (
        "tokenizer: {source: union, tokens: {x: {source: ./code}, c: {source: {kind: zero}, force: true}}}",
        ORDER,
        7,
        {"x": "code", "c": "zero"},
    ),
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    generator = torch.Generator().manual_seed(3)
    for name, words in WORDS.items():
        (tmp_path / name).mkdir()
        config = {"model_type": "llama", "vocab_size": len(words), "tie_word_embeddings": False}
        (tmp_path / name / "config.json").write_text(json.dumps(config))
        tokenizer = {
            "added_tokens": [],
            "pre_tokenizer": {"type": "Whitespace"},
            "model": {
                "type": "WordLevel",
                "unk_token": "<s>",
                "vocab": {word: row for row, word in enumerate(words)},
            },
        }
        (tmp_path / name / "tokenizer.json").write_text(json.dumps(tokenizer))
        shapes = dict.fromkeys(NAMES, (len(words), 4)) | {"model.norm.weight": (4,)}
        tensors = {n: torch.randn(shape, generator=generator) for n, shape in shapes.items()}
        save_file(tensors, tmp_path / name / "model.safetensors", metadata={"format": "pt"})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def row(model: str, token: str, name: str, weights, wishes: dict[str, str]) -> torch.Tensor:
    """The row of a token in a model before the merge, by the rules of mergekit."""
    having = [other for other in WORDS if token in WORDS[other]]
    own = {other: weights[other][name][WORDS[other].index(token)].double() for other in having}
    if wishes.get(token) == "zero":  # forced
        return torch.zeros(4).double()
    if token in WORDS[model]:
        return own[model]
    if token in wishes:
        return own[wishes[token]]
    if len(having) == 1 or not having:
        return own[having[0]] if having else torch.zeros(4).double()
    return own["base"] if "base" in having else sum(own.values()) / len(having)


@pytest.mark.parametrize("setting", SETTINGS)
def test_rows_follow_their_tokens(setting: str, project: Path) -> None:
    line, order, rows, wishes = SETTINGS[setting]
    text = (
        "merge_method: task_arithmetic\nbase_model: ./base\n"
        "models: [{model: ./math, parameters: {weight: 0.5}}, {model: ./code, parameters: {weight: 0.25}}]\n"
    )
    (project / "merge.yml").write_text(f"{text}{line}\ndtype: float32\n")
    assert dispatch(["import", "mergekit", "merge.yml", "-o", "merge.fuse"]) == 0
    assert dispatch(["run", "merge.fuse"]) == 0
    merged = load_file(project / "models/merge/model.safetensors")
    weights = {name: load_file(project / name / "model.safetensors") for name in WORDS}
    config = json.loads((project / "models/merge/config.json").read_text())
    for name in NAMES:
        assert len(merged[name]) == config["vocab_size"] == rows
        for number, token in enumerate(order):
            base, math, code = (row(model, token, name, weights, wishes) for model in WORDS)
            exact = base + 0.5 * (math - base) + 0.25 * (code - base)
            assert torch.allclose(merged[name][number].double(), exact, atol=1e-6), (token, name)
