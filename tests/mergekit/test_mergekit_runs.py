"""Imported merges are checked, planned and run; the weights are those of mergekit's formulas."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mergekit_formulas import arc, arithmetic, breadcrumbs, linear, model_stock, ties
from safetensors.torch import load_file, save_file

from fusec.cli.main import dispatch

Tensors = dict[str, torch.Tensor]

SHAPES = {
    "model.embed_tokens.weight": (24, 8),
    "model.layers.0.mlp.up_proj.weight": (16, 8),
    "model.layers.1.mlp.up_proj.weight": (16, 8),
    "model.norm.weight": (8,),
    "lm_head.weight": (24, 8),
}


@pytest.fixture(scope="session")
def family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`base`, `math` and `code` of two layers in fp32, whose changes all differ in size."""
    root = tmp_path_factory.mktemp("family")
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "num_hidden_layers": 2,
        "hidden_size": 8,
        "vocab_size": 24,
        "dtype": "float32",
        "tie_word_embeddings": False,
    }
    generator = torch.Generator().manual_seed(5)
    base = {name: torch.randn(shape, generator=generator) for name, shape in SHAPES.items()}
    for name in ("base", "math", "code"):
        tensors = base
        if name != "base":
            tensors = {n: t + 0.1 * torch.randn(t.shape, generator=generator) for n, t in base.items()}
        (root / name).mkdir()
        (root / name / "config.json").write_text(json.dumps(config))
        save_file(tensors, root / name / "model.safetensors", metadata={"format": "pt"})
    return root


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


@pytest.fixture
def run(tmp_path: Path, family: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Tensors]:
    """Imports a configuration that lies in another folder than the spec, and gives the merged weights."""
    import shutil

    project = tmp_path / "project"
    shutil.copytree(family, project)
    monkeypatch.chdir(project)

    def import_and_run(text: str) -> Tensors:
        Path("merge.yml").write_text(text)
        Path("specs").mkdir()
        assert dispatch(["import", "mergekit", "merge.yml", "-o", "specs/merge.fuse"]) == 0
        for command in ("check", "lock", "plan", "run"):
            assert dispatch([command, "specs/merge.fuse"]) == 0
        return load_file("specs/models/merge/model.safetensors")

    return import_and_run


def near(stored: torch.Tensor, exact: torch.Tensor) -> bool:
    """One rounding to the stored type, beside the roundings of fp32 sums."""
    rounding = {torch.float32: 2.0**-24, torch.bfloat16: 2.0**-8}[stored.dtype]
    return bool((stored.double() - exact).abs().le(rounding * exact.abs() + 2e-6).all())


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
