"""`fusec catalog` as people and tools call it."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from fusec.cli.main import dispatch


@pytest.fixture
def models(save: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`base`, `law` with half of it changed and one number damaged, `math`; the store is `.fusec` here."""
    rng = torch.Generator().manual_seed(0)
    base = {"w": torch.randn(2, 4096, generator=rng), "norm": torch.ones(8)}
    law = {"w": base["w"].clone(), "norm": base["norm"]}
    law["w"][1] += 1
    law["w"][1, 5] = float("nan")
    for name, tensors in {"base": base, "law": law, "math": {n: t + 1 for n, t in base.items()}}.items():
        save(name, tensors)
    monkeypatch.chdir(tmp_path)


def told(capsys: pytest.CaptureFixture[str], *args: str, code: int = 0) -> tuple[str, str]:
    assert dispatch(["catalog", *args]) == code
    said = capsys.readouterr()
    return said.out, said.err


def test_models_are_measured_and_shown(models: None, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = told(capsys, "analyze", "law", "math", "--base", "base", "--gram", "--block", "4096")
    lines = [line.split() for line in out.splitlines()]
    assert [line[0] for line in lines] == ["model", "base", "law", "math"]
    assert lines[2][-3:] == ["1", "in", "w"]
    assert "read in" in err
    out, _ = told(capsys, "show", "law")
    assert "blocks of 4096 elements" in out
    cells = {line.split()[0]: line.split()[1:] for line in out.splitlines()[2:]}
    assert cells["norm"] == ["F32", "1", "-", "2.828", "1", "of", "1", "0", "0"]
    assert cells["w"][:3] == ["F32", "2", "1"]
    assert cells["w"][4:] == ["1", "of", "2", "63.99", "1"]


def test_tools_get_one_object(models: None, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = told(capsys, "analyze", "law", "math", "--base", "base", "--json")
    made = json.loads(out)
    assert not err
    assert [model["model"] for model in made["models"]] == ["base", "law", "math"]
    assert made["models"][1]["nonfinite"] == {"w": 1}
    shown = json.loads(told(capsys, "show", "math", "--json")[0])
    assert (shown["root"], shown["base"]) == (made["models"][2]["root"], made["models"][0]["root"])
    assert [tensor["name"] for tensor in shown["tensors"]] == ["norm", "w"]
    sampled = json.loads(told(capsys, "analyze", "math", "--base", "base", "--sampled", "--json")[0])
    assert 0 < sampled["bytes_read"] <= sampled["bytes"]


def test_what_changed_is_forgotten(models: None, capsys: pytest.CaptureFixture[str]) -> None:
    told(capsys, "analyze", "law", "math", "--base", "base")
    assert told(capsys, "gc")[0].startswith("  0 sets")
    file = Path("math/model.safetensors")
    os.truncate(file, file.stat().st_size)  # the same bytes, and another time of change
    _, err = told(capsys, "show", "math", code=1)
    assert "math was not analysed, or changed since" in err
    gone = json.loads(told(capsys, "gc", "--json")[0])
    assert gone["sets"] == 2
    assert gone["bytes"] > 0


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["analyze", "nobody"], "`nobody` does not exist"),
        (["analyze", "law", "--gram"], "--gram is about changes"),
        (["analyze", "law", "--base", "base", "--gram", "--sampled"], "--gram needs every weight"),
        (["analyze", "law", "--block", "5000"], "a block of 5000 elements cannot be measured"),
        (["analyze", "law", "--base", "other"], "norm` has shape [9], but [8] in the base"),
        (["analyze", "cut"], "model.safetensors: tensor `w` ends at byte"),
        (["analyze", "empty"], "holds neither model.safetensors nor"),
        (["show", "law"], "there is no store at .fusec"),
    ],
)
def test_what_is_wrong_is_said(
    models: None, save: Callable[..., Path], capsys: pytest.CaptureFixture[str], args: list[str], said: str
) -> None:
    save("other", {"w": torch.zeros(2, 4096), "norm": torch.zeros(8)})
    cut = save("cut", {"w": torch.zeros(100)}) / "model.safetensors"
    os.truncate(cut, cut.stat().st_size - 4)
    Path("empty").mkdir()
    if "other" in args:
        save("wider", {"w": torch.zeros(2, 4096), "norm": torch.zeros(9)})
        args = ["analyze", "wider", "--base", "base"]
    _, err = told(capsys, *args, code=1)
    assert said in err
    assert len([line for line in err.splitlines() if line.startswith(("error", "Error"))]) == 1
