"""Imported merges are checked, planned and run; the weights are those of mergekit's formulas."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mergekit_family import SHAPES, near
from mergekit_formulas import arc, arithmetic, breadcrumbs, linear, model_stock, ties
from safetensors.torch import load_file

from fusec.cli.main import dispatch

Formula = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]

CASES: dict[str, tuple[str, Formula]] = {
    "slerp": (
        """
merge_method: slerp
base_model: ./base
models: [{model: ./math}]
parameters: {t: 0.3}
""",
        lambda b, x, y: arc(b, x, 0.3),
    ),
    "nuslerp without a base": (
        """
merge_method: nuslerp
models:
  - {model: ./math, parameters: {weight: 0.6}}
  - {model: ./code, parameters: {weight: 0.2}}
""",
        lambda b, x, y: arc(x, y, 0.25),
    ),
    "model_stock": (
        """
merge_method: model_stock
base_model: ./base
models: [{model: ./math}, {model: ./code}]
""",
        model_stock,
    ),
    "nearswap": (
        """
merge_method: nearswap
base_model: ./base
models: [{model: ./math}]
parameters: {t: 0.05}
""",
        lambda b, x, y: b + torch.clamp(x - b, -0.05, 0.05),
    ),
    "linear": (
        """
merge_method: linear
models:
  - {model: ./math, parameters: {weight: 0.7}}
  - {model: ./code, parameters: {weight: 0.5}}
""",
        lambda b, x, y: linear([x, y], [0.7, 0.5]),
    ),
    "linear, a sum with the base": (
        """
merge_method: linear
base_model: ./base
models:
  - {model: ./math, parameters: {weight: 0.7}}
  - {model: ./code, parameters: {weight: -0.5}}
parameters: {normalize: false, weight: 0.9}
""",
        lambda b, x, y: linear([x, y, b], [0.7, -0.5, 0.9], normalize=False),
    ),
    "task arithmetic, the base listed": (
        """
merge_method: task_arithmetic
base_model: ./base
models:
  - model: ./base
  - {model: ./math, parameters: {weight: 0.7}}
  - {model: ./code, parameters: {weight: -0.2}}
parameters: {lambda: 1.5}
""",
        lambda b, x, y: arithmetic(b, [x, y], [0.7, -0.2], lam=1.5),
    ),
    "task arithmetic, normalized": (
        """
merge_method: task_arithmetic
base_model: ./base
models: [{model: ./math}, {model: ./code}]
parameters: {normalize: true, weight: 0.3}
""",
        lambda b, x, y: arithmetic(b, [x, y], [0.3, 0.3], normalize=True),
    ),
    "task arithmetic, weights that sum to 0": (
        """
merge_method: task_arithmetic
base_model: ./base
models: [{model: ./math, parameters: {weight: 1}}, {model: ./code, parameters: {weight: -1}}]
parameters: {normalize: true}
""",
        lambda b, x, y: arithmetic(b, [x, y], [1, -1]),
    ),
    "ties, a density for each model": (
        """
merge_method: ties
base_model: ./base
models:
  - {model: ./math, parameters: {weight: 0.7, density: 0.4}}
  - {model: ./code, parameters: {weight: 0.5, density: 0.8}}
""",
        lambda b, x, y: ties(b, [x, y], [0.7, 0.5], [0.4, 0.8]),
    ),
    "breadcrumbs, rescaled": (
        """
merge_method: breadcrumbs
base_model: ./base
models: [{model: ./math, parameters: {weight: 0.7}}, {model: ./code, parameters: {weight: 0.5}}]
parameters: {density: 0.6, gamma: 0.1, rescale: true}
""",
        lambda b, x, y: breadcrumbs(b, [x, y], [0.7, 0.5], 0.6, 0.1),
    ),
    "ties": (
        """
merge_method: ties
base_model: ./base
models:
  - {model: ./math, parameters: {weight: 0.7, density: 0.4}}
  - {model: ./code, parameters: {weight: 0.5, density: 0.4}}
parameters: {int8_mask: true}
""",
        lambda b, x, y: ties(b, [x, y], [0.7, 0.5], 0.4),
    ),
    "ties, not normalized": (
        """
merge_method: ties
base_model: ./base
models: [{model: ./base}, {model: ./math}, {model: ./code}]
parameters: {normalize: false, weight: 0.6, density: [0.25, 0.25], lambda: 0.8}
""",
        lambda b, x, y: ties(b, [x, y], [0.6, 0.6], 0.25, lam=0.8, normalize=False),
    ),
    "ties, weights that sum to 0": (
        """
merge_method: ties
base_model: ./base
models: [{model: ./math, parameters: {weight: 1}}, {model: ./code, parameters: {weight: -1}}]
parameters: {density: 0.5}
""",
        lambda b, x, y: ties(b, [x, y], [1, -1], 0.5),
    ),
    "ties, a slice over all layers": (
        """
merge_method: ties
base_model: ./base
slices:
  - sources:
      - {model: ./base, layer_range: [0, 2]}
      - {model: ./math, layer_range: [0, 2], parameters: {weight: 1}}
      - {model: ./code, layer_range: [0, 2], parameters: {weight: 0.5}}
""",
        lambda b, x, y: ties(b, [x, y], [1, 0.5], 1.0),
    ),
    "a scaled copy": (
        "merge_method: passthrough\nmodels: [{model: ./math, parameters: {scale: 0.5}}]\n",
        lambda b, x, y: 0.5 * x,
    ),
    "a copy": (
        "merge_method: passthrough\nmodels: [{model: ./code}]\n",
        lambda b, x, y: y,
    ),
    "two merges in a row": (
        """
name: both
merge_method: linear
models: [{model: ./math, parameters: {weight: 0.5}}, {model: ./code, parameters: {weight: 0.5}}]
dtype: float32
---
merge_method: task_arithmetic
base_model: both
models: [{model: ./base, parameters: {weight: 0.25}}, {model: ./math, parameters: {weight: 0.5}}]
""",
        lambda b, x, y: arithmetic((x + y) / 2, [b, x], [0.25, 0.5]),
    ),
}


@pytest.mark.parametrize("stored", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("case", CASES)
def test_imported_merges_are_those_of_mergekit(
    case: str, stored: torch.dtype, run, family: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    text, formula = CASES[case]
    if stored is torch.bfloat16:
        text = text.rstrip() + "\nout_dtype: bfloat16\n"
    merged = run(text)
    assert "FUSE" not in capfd.readouterr().err
    base, math, code = (load_file(family / n / "model.safetensors") for n in ("base", "math", "code"))
    for name in SHAPES:
        assert merged[name].dtype == stored
        exact = formula(base[name].double(), math[name].double(), code[name].double())
        assert near(merged[name], exact), name


def test_problems_end_with_exit_code_1_and_no_spec(run, capfd: pytest.CaptureFixture[str]) -> None:
    Path("bad.yml").write_text("merge_method: ties\nmodels: []\n")
    assert dispatch(["import", "mergekit", "bad.yml", "-o", "bad.fuse"]) == 1
    assert "bad.yml:2:1" in capfd.readouterr().err
    assert not Path("bad.fuse").exists()
    assert dispatch(["import", "mergekit", "absent.yml"]) == 1
    assert "absent.yml cannot be read" in capfd.readouterr().err


def test_a_spec_of_another_content_is_not_replaced(run, capfd: pytest.CaptureFixture[str]) -> None:
    Path("merge.yml").write_text(CASES["a copy"][0])
    command = ["import", "mergekit", "merge.yml", "-o", "merge.fuse"]
    assert dispatch(command) == 0 == dispatch(command)
    text = Path("merge.fuse").read_text()
    Path("merge.fuse").write_text(text + "# mine\n")
    assert dispatch(command) == 1
    assert "says something else" in capfd.readouterr().err
    assert dispatch(command[:3]) == 0
    assert capfd.readouterr().out == text
