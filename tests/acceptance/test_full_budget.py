"""A full read gives the bits of a merge written down plainly: whole tensors, no planner, no blocks."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from math import fsum

import numpy as np
import pytest
import torch
from desks import BLOCK, Desk, same_bits, save_model

Floats = Sequence[torch.Tensor]
WEIGHTS = (0.5, 0.3, 0.9)
EXPERTS = ("math", "code", "law")

SHAPES = {
    "model.embed_tokens.weight": (37, 19),
    "model.layers.0.mlp.weight": (3, 3 * BLOCK + 77),  # blocks that end inside a row, a short last one
    "model.layers.1.mlp.weight": (5, 3, 7),
    "model.norm.bias": (1,),
    "model.norm.weight": (129,),
    "scalar": (),
    "void": (0, 4),
}
SHARDS = [sorted(SHAPES)[::2], sorted(SHAPES)[1::2]]
DTYPES = {
    "bf16": [torch.bfloat16] * 4,
    "fp16": [torch.float16] * 4,
    "fp32": [torch.float32] * 4,
    "mixed": [torch.bfloat16, torch.float32, torch.float16, torch.bfloat16],
}
METHODS = {
    "average": "average",
    "linear": "linear",
    "sum": "task_arithmetic(scale: 0.7, normalize: false)",
    "dare": "dare_linear(density: 0.4, rescale: inverse_p, seed: 11, normalize: false)",
    "ties": "ties(density: 0.3, scale: 0.9)",
}


def whole(
    method: str, name: str, base: torch.Tensor, experts: Floats, weights: Sequence[float], ids: Sequence[str]
) -> torch.Tensor:
    """One tensor; experts, their weights and ids in the order of the sum."""
    xs, b = [e.float() for e in experts], base.float()
    if method == "average":
        return (total(xs) / len(xs)).to(base.dtype)
    if method == "linear":
        return (total([x * w for x, w in zip(xs, weights, strict=True)]) / fsum(weights)).to(base.dtype)
    deltas = [x - b for x in xs]
    if method == "sum":
        update = total([d * w for d, w in zip(deltas, weights, strict=True)]) * 0.7
    elif method == "dare":
        kept = [d * mask(name, id, d.shape, 0.4) for d, id in zip(deltas, ids, strict=True)]
        factors = [torch.tensor(w * (1 / 0.4)) for w in weights]
        update = total([k * f for k, f in zip(kept, factors, strict=True)])
    else:
        update = ties([trimmed(d, 0.3) for d in deltas], weights) * 0.9
    return torch.where(update == 0, b, b + update).to(base.dtype)


def total(terms: Floats) -> torch.Tensor:
    found = terms[0]
    for term in terms[1:]:
        found = found + term
    return found


def mask(name: str, id: str, shape: torch.Size, density: float) -> torch.Tensor:
    """Philox keyed by seed, tensor and expert; element e keeps its change if number e is small enough."""
    digest = sha256(f"11\0{name}\0{id}#0".encode()).digest()
    key = np.array([int.from_bytes(digest[at : at + 8], "little") for at in (0, 8)], np.uint64)
    size = shape.numel()
    lanes = np.random.Philox(key=key).random_raw(size // 2 + 4).view("<u4")[:size]
    return torch.from_numpy((lanes < int(density * 2**32)).astype(np.float32)).reshape(shape)


def trimmed(delta: torch.Tensor, density: float) -> torch.Tensor:
    """The largest entries, of equals those that come first."""
    flat = delta.flatten()
    kept = torch.argsort(flat.abs(), descending=True, stable=True)[: max(1, int(density * flat.numel()))]
    return torch.zeros_like(flat).index_copy(0, kept, flat[kept]).view_as(delta)


def ties(trimmed: Floats, weights: Sequence[float]) -> torch.Tensor:
    values = [t * w for t, w in zip(trimmed, weights, strict=True)]
    elected = torch.where(total(values) >= 0, 1.0, -1.0)
    agrees = [torch.sign(v) == elected for v in values]
    numerator = total([torch.where(a, v, 0.0) for a, v in zip(agrees, values, strict=True)])
    divisor = total([torch.where(a, torch.tensor(w), 0.0) for a, w in zip(agrees, weights, strict=True)])
    return numerator / torch.where(divisor == 0, 1.0, divisor)


def family(dtypes: Sequence[torch.dtype]) -> list[dict[str, torch.Tensor]]:
    """Many equal changes, elements and whole blocks without one, zeros of both signs."""
    g = torch.Generator().manual_seed(0)
    base = {n: torch.randn(s, generator=g) for n, s in SHAPES.items()}
    base = {n: torch.where(torch.rand(t.shape, generator=g) < 0.1, -0.0, t) for n, t in base.items()}
    models = [base]
    for number in range(len(dtypes) - 1):
        step = {n: torch.randint(-2, 3, t.shape, generator=g) * 0.0625 for n, t in base.items()}
        large = step["model.layers.0.mlp.weight"].view(-1)
        large[number * BLOCK : (number + 2) * BLOCK] = 0
        models.append({n: torch.where(step[n] == 0, t, t + step[n]) for n, t in base.items()})
    return [{n: t.to(dtype) for n, t in m.items()} for m, dtype in zip(models, dtypes, strict=True)]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtypes", DTYPES)
def test_the_bits_are_those_of_the_plain_merge(desk: Desk, method: str, dtypes: str) -> None:
    base, *experts = family(DTYPES[dtypes])
    save_model(desk.folder / "base", base, SHARDS, tie_word_embeddings=True)
    for number, (name, tensors) in enumerate(zip(EXPERTS, experts, strict=True)):
        head = {"lm_head.weight": tensors["model.embed_tokens.weight"]} if number == 1 else {}
        save_model(desk.folder / name, {**tensors, **head}, tie_word_embeddings=True)
    weights = None if method == "average" else WEIGHTS
    desk.run(desk.spec(EXPERTS, METHODS[method], weights=weights, expert_reads="100%"))
    ids = [desk.ids()[name] for name in EXPERTS]
    order = sorted(range(3), key=ids.__getitem__)
    summed, named = [WEIGHTS[i] for i in order], [ids[i] for i in order]
    want = {n: whole(method, n, base[n], [experts[i][n] for i in order], summed, named) for n in SHAPES}
    assert same_bits(desk.merged(), want)
