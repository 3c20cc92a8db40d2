"""What a manifest promises about a merge under a budget holds for the files that come out."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from desks import BLOCK, Desk, load_model, merge_record, save_model

from fusec.compiler.reads.certificate import Certificate

FEW, MANY = 6, 300
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
METHODS = ("task_arithmetic", "task_arithmetic(scale: 0.3, normalize: true)", "linear", "average")
SHAPES = {"a.weight": (3 * BLOCK + 50,), "b.weight": (7, 900), "c.weight": (33,)}


class Instance:
    """A family and a merge of it, drawn at random with what is hard for a bound mixed in."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.desk, self.rng = Desk(folder), np.random.default_rng(seed)
        rng = self.rng
        self.experts = [f"e{i}" for i in range(int(rng.integers(1, 5)))]
        self.weights = [round(float(w), 3) for w in rng.uniform(0.1, 1.5, len(self.experts))]
        self.method = str(rng.choice(METHODS))
        self.analysis = str(rng.choice(["gram", "norms"]))
        self.share = float(rng.choice([0, 0.1, 0.3, 0.6, 0.9]))
        self.dtype = DTYPES[int(rng.integers(3))]
        base = {n: rng.normal(size=s) for n, s in SHAPES.items()}
        self._save("base", base)
        changes = [self._change() for _ in self.experts]
        for name, change in zip(self.experts, changes, strict=True):
            trick = rng.integers(6)
            other = changes[int(rng.integers(len(changes)))]
            if trick == 0:  # against another one, which cancels
                change = {n: -c for n, c in other.items()}
            elif trick == 1:  # in line with another one
                change = {n: 2 * c for n, c in other.items()}
            elif trick == 2:  # so small that rounding is most of it
                change = {n: 1e-4 * c for n, c in change.items()}
            self._save(name, {n: w + change[n] for n, w in base.items()})

    def _change(self) -> dict[str, np.ndarray]:
        rng, found = self.rng, {}
        for name, shape in SHAPES.items():
            flat = rng.normal(size=math.prod(shape)) * 10 ** rng.uniform(-3, 0)
            for at in range(0, flat.size, BLOCK):
                flat[at : at + BLOCK] *= rng.choice([0, 0.1, 1, 3])
            found[name] = flat.reshape(shape)
        return found

    def _save(self, name: str, tensors: dict[str, np.ndarray]) -> None:
        save_model(
            self.desk.folder / name, {n: torch.from_numpy(t).to(self.dtype) for n, t in tensors.items()}
        )

    def measured(self) -> tuple[Certificate, float, float]:
        """The certificate, and how far the stored full merge is from the other one and from the base."""
        desk, weights = self.desk, None if self.method.startswith("average") else self.weights
        desk.analyze(*self.experts, gram=self.analysis == "gram")
        desk.run(desk.spec(self.experts, self.method, weights=weights))
        full = desk.merged()
        share = f"{100 * self.share:g}%"
        spec = desk.budgeted(share, self.experts, self.method, weights=weights, analysis=self.analysis)
        reads = merge_record(desk.run(spec)).reads
        assert reads is not None
        return (
            reads.certificate,
            distance(full, desk.merged()),
            distance(full, load_model(desk.folder / "base")),
        )


def distance(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    return math.sqrt(sum(float((one[n].double() - other[n].double()).square().sum()) for n in one))


def drawn(folder: Path, seed: int) -> Instance:
    (folder / str(seed)).mkdir()
    return Instance(folder / str(seed), seed)


def check(seed: int, instance: Instance) -> None:
    certificate, error, update = instance.measured()
    assert certificate.error is not None and certificate.cast is not None
    told = (seed, instance.method, instance.analysis, instance.dtype, instance.share, certificate, error)
    assert error <= certificate.error + certificate.cast, told
    if certificate.tight:
        assert error >= certificate.error * (1 - 1e-6) - certificate.cast, told
    if certificate.update_known:
        assert abs(update - certificate.update) <= 1e-6 * update + certificate.cast, told
        if update > 10 * certificate.cast:
            of_update = (error - certificate.cast) / (update + certificate.cast)
            assert certificate.of_update >= of_update * (1 - 1e-6), told
    shutil.rmtree(instance.desk.folder)


@pytest.mark.parametrize("seed", range(FEW))
def test_a_few(tmp_path: Path, seed: int) -> None:
    check(seed, drawn(tmp_path, seed))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_three_hundred(tmp_path: Path) -> None:
    for seed, instance in [(seed, drawn(tmp_path, seed)) for seed in range(FEW, FEW + MANY)]:
        check(seed, instance)
