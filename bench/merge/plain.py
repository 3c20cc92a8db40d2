"""What the merges are compared with, each a process of its own: the least that any merge has to do, and a
plain script.

    python bench/merge/plain.py floor OUT BASE EXPERT...
    python bench/merge/plain.py naive METHOD OUT BASE EXPERT...

floor   reads every byte of all models once, in pieces, and writes the base's; one thread
naive   loads all models as whole tensors, merges in float32, saves: what a notebook does
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

_PIECE = 1 << 20
DENSITY = 0.5


def weights(models: Sequence[Path]) -> list[Path]:
    return [file for model in models for file in sorted(model.glob("*.safetensors"))]


def floor(out: Path, base: Path, experts: Sequence[Path]) -> None:
    piece = bytearray(_PIECE)
    view = memoryview(piece)
    for file in weights([base]):
        with file.open("rb", buffering=0) as source, (out / file.name).open("wb", buffering=0) as target:
            while got := source.readinto(piece):
                target.write(view[:got])
            os.fsync(target.fileno())
    for file in weights(experts):
        with file.open("rb", buffering=0) as source:
            while source.readinto(piece):
                pass


def naive(method: str, out: Path, base: Path, experts: Sequence[Path]) -> None:
    from safetensors.torch import load_file, save_file

    start, *moved = [
        {name: tensor for file in weights([model]) for name, tensor in load_file(file).items()}
        for model in (base, *experts)
    ]
    merge = NAIVE[method]
    merged = {
        name: merge(b.float(), [e[name].float() for e in moved]).to(b.dtype) for name, b in start.items()
    }
    save_file(merged, out / "model.safetensors", metadata={"format": "pt"})


def _linear(base, experts):
    return sum(experts) / len(experts)


def _task_arithmetic(base, experts):
    return base + sum(e - base for e in experts) / len(experts)


def _ties(base, experts):
    import torch

    trimmed = []
    for expert in experts:
        delta = (expert - base).flatten()
        keep = max(1, int(DENSITY * delta.numel()))
        top = delta.abs().topk(keep).indices
        trimmed.append(torch.zeros_like(delta).scatter(0, top, delta[top]).view_as(base))
    deltas = torch.stack(trimmed)
    agrees = torch.sign(deltas) == torch.where(deltas.sum(0) >= 0, 1.0, -1.0)
    return base + (deltas * agrees).sum(0) / agrees.sum(0).clamp(min=1)


NAIVE: dict[str, Callable[..., Any]] = {"linear": _linear, "task_arithmetic": _task_arithmetic, "ties": _ties}


def main() -> None:
    kind, *rest = sys.argv[1:]
    method = rest.pop(0) if kind == "naive" else ""
    out, base, *experts = map(Path, rest)
    out.mkdir(parents=True, exist_ok=True)
    if kind == "floor":
        floor(out, base, experts)
    else:
        naive(method, out, base, experts)


if __name__ == "__main__":
    main()
