"""Slices, and values by layer and name, come out as mergekit's formulas have them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mergekit_family import SHAPES, near
from mergekit_formulas import linear, ties
from safetensors.torch import load_file

Formula = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]

STACKED: dict[str, tuple[str, Formula]] = {
    "a stack of copies": (
        """
merge_method: passthrough
slices:
  - sources: [{model: ./math, layer_range: [0, 2]}]
  - sources: [{model: ./math, layer_range: [1, 2]}]
""",
        lambda b, x, y: x,
    ),
    "slices merged by ties": (
        """
merge_method: ties
base_model: ./base
slices:
  - sources:
      - {model: ./base, layer_range: [0, 2]}
      - {model: ./math, layer_range: [0, 2], parameters: {weight: 0.7}}
      - {model: ./code, layer_range: [0, 2], parameters: {weight: 0.5}}
  - sources:
      - {model: ./base, layer_range: [1, 2]}
      - {model: ./math, layer_range: [1, 2], parameters: {weight: 0.7}}
      - {model: ./code, layer_range: [1, 2], parameters: {weight: 0.5}}
parameters: {density: 0.5}
""",
        lambda b, x, y: ties(b, [x, y], [0.7, 0.5], 0.5),
    ),
    "slices merged without a base": (
        """
merge_method: linear
parameters: {weight: 0.5}
slices:
  - sources: [{model: ./math, layer_range: [0, 2]}, {model: ./code, layer_range: [0, 2]}]
  - sources: [{model: ./math, layer_range: [1, 2]}, {model: ./code, layer_range: [1, 2]}]
""",
        lambda b, x, y: linear([x, y], [0.5, 0.5]),
    ),
}


@pytest.mark.parametrize("case", STACKED)
def test_imported_slices_merge_layer_by_layer(case: str, run, family: Path) -> None:
    text, formula = STACKED[case]
    merged = run(text)
    assert json.loads(Path("specs/models/merge/config.json").read_text())["num_hidden_layers"] == 3
    models = [load_file(family / name / "model.safetensors") for name in ("base", "math", "code")]
    comes_from = {name: name for name in SHAPES}
    comes_from["model.layers.2.mlp.up_proj.weight"] = "model.layers.1.mlp.up_proj.weight"
    assert merged.keys() == comes_from.keys()
    for name, of in comes_from.items():
        assert near(merged[name], formula(*(model[of].double() for model in models))), name


def test_a_filtered_scale_is_about_the_layers_of_its_slice(run, family: Path) -> None:
    merged = run(
        """
merge_method: passthrough
slices:
  - sources: [{model: ./math, layer_range: [0, 2]}]
  - sources:
      - model: ./code
        layer_range: [0, 1]
        parameters: {scale: [{filter: up_proj, value: 0.5}, {value: 1}]}
"""
    )
    math, code = (load_file(family / name / "model.safetensors") for name in ("math", "code"))
    up = "model.layers.0.mlp.up_proj.weight"
    assert torch.equal(merged["model.layers.2.mlp.up_proj.weight"], 0.5 * code[up])
    assert torch.equal(merged[up], math[up])
    assert torch.equal(merged["lm_head.weight"], code["lm_head.weight"])


def test_a_weight_of_nothing_keeps_the_base(run, family: Path) -> None:
    merged = run(
        """
merge_method: ties
base_model: ./base
models: [{model: ./math}, {model: ./code}]
parameters:
  density: 0.5
  weight: [{filter: embed, value: 0}, {filter: norm, value: [0, 0]}, {filter: "*", value: 1}]
"""
    )
    base, math, code = (load_file(family / n / "model.safetensors") for n in ("base", "math", "code"))
    for name in SHAPES:
        if "embed" in name or "norm" in name:
            assert torch.equal(merged[name], base[name])
        else:
            exact = ties(base[name].double(), [math[name].double(), code[name].double()], [1, 1], 0.5)
            assert near(merged[name], exact)


def test_values_by_layer_and_name_are_those_of_mergekit(run, family: Path) -> None:
    """`t = j / (L - 1)` in a layer and 0 outside of all; the first filter in a name decides."""
    merged = run(
        """
merge_method: task_arithmetic
base_model: ./base
models:
  - model: ./math
    parameters: {weight: [{filter: up_proj, value: [0.2, 0.9]}, {filter: embed, value: 0}, {value: 0.5}]}
  - model: ./code
    parameters:
      weight: [{filter: up_proj, value: [1, 0, 0.4]}, {filter: embed, value: 0}, {value: [0.3, 0.6]}]
parameters: {lambda: [{filter: norm, value: 0.25}, {value: 1}]}
dtype: float32
"""
    )
    base, math, code = (load_file(family / n / "model.safetensors") for n in ("base", "math", "code"))

    def weights(name: str) -> tuple[float, float]:
        layer = 1 if ".layers.1." in name else 0
        if "up_proj" in name:
            return (0.2, 0.9)[layer], (1.0, 0.4)[layer]
        if "embed" in name:
            return 0.0, 0.0
        return 0.5, (0.3, 0.6)[layer]

    for name in SHAPES:
        b, x, y = (model[name].double() for model in (base, math, code))
        of_math, of_code = weights(name)
        scale = 0.25 if "norm" in name else 1.0
        assert near(merged[name], b + scale * (of_math * (x - b) + of_code * (y - b))), name
