"""A base and two models of two layers, and how near a merge of them has to come to a formula."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

SHAPES = {
    "model.embed_tokens.weight": (24, 8),
    "model.layers.0.mlp.up_proj.weight": (16, 8),
    "model.layers.1.mlp.up_proj.weight": (16, 8),
    "model.norm.weight": (8,),
    "lm_head.weight": (24, 8),
}


def write_family(root: Path) -> None:
    """`base`, `math` and `code` in fp32, whose changes all differ in size."""
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


def near(stored: torch.Tensor, exact: torch.Tensor) -> bool:
    """One rounding to the stored type, beside the roundings of fp32 sums."""
    rounding = {torch.float32: 2.0**-24, torch.bfloat16: 2.0**-8}[stored.dtype]
    return bool((stored.double() - exact).abs().le(rounding * exact.abs() + 2e-6).all())
