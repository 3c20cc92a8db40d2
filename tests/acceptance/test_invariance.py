"""Bytes of a result depend on the content of its inputs and on nothing else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from desks import BLOCK, Desk, merge_record, save_model

EXPERTS, WEIGHTS = ("math", "code", "law"), (0.4, 0.6, 0.5)
SHAPES = {"embed.weight": (3, 8), "layer.weight": (9, BLOCK), "lm_head.weight": (3, 8), "norm.weight": (77,)}
METHODS = ("linear", "ties(density: 0.3)", "dare_linear(density: 0.5, seed: 3)")


def family() -> dict[str, dict[str, torch.Tensor]]:
    g = torch.Generator().manual_seed(5)
    base = {n: torch.randn(s, generator=g) for n, s in SHAPES.items()}
    models = {"base": base}
    for name in EXPERTS:
        models[name] = {n: t + 0.01 * torch.randn(t.shape, generator=g) for n, t in base.items()}
        models[name]["layer.weight"][2:5] = base["layer.weight"][2:5]
    return {name: {n: t.bfloat16() for n, t in model.items()} for name, model in models.items()}


@pytest.fixture
def usual(desk: Desk) -> Desk:
    for name, tensors in family().items():
        save_model(desk.folder / name, tensors)
    return desk


def root(desk: Desk, spec: Path, **options: object) -> str:
    """Of the merged model; the published folder has a card beside it, which lists inputs as the spec does."""
    return merge_record(desk.run(spec, **options)).root


@pytest.mark.parametrize("method", METHODS)
def test_of_threads_order_and_place(usual: Desk, new_desk: Callable[[str], Desk], method: str) -> None:
    want = root(usual, usual.spec(EXPERTS, method, weights=WEIGHTS), threads=1)
    for name, experts, weights, threads in (
        ("threads", EXPERTS, WEIGHTS, 4),
        ("order", EXPERTS[::-1], WEIGHTS[::-1], 2),
        ("place/further down", EXPERTS[1:] + EXPERTS[:1], WEIGHTS[1:] + WEIGHTS[:1], 3),
    ):
        (usual.folder.parent / name).mkdir(parents=True)
        other = Desk(usual.folder.parent / name)
        shutil.copytree(
            usual.folder, other.folder, ignore=shutil.ignore_patterns(".*", "out"), dirs_exist_ok=True
        )
        assert root(other, other.spec(experts, method, weights=weights), threads=threads) == want, name


def test_of_links(usual: Desk, new_desk: Callable[[str], Desk]) -> None:
    want = root(usual, usual.spec(EXPERTS, weights=WEIGHTS))
    linked = new_desk("linked")
    for model in ("base", *EXPERTS):
        (linked.folder / model).mkdir()
        for file in (usual.folder / model).iterdir():
            os.symlink(file, linked.folder / model / file.name)
    assert root(linked, linked.spec(EXPERTS, weights=WEIGHTS)) == want


def test_of_the_shards_that_tensors_lie_in(usual: Desk, new_desk: Callable[[str], Desk]) -> None:
    """Of two experts; a pin covers files, so that with more of them other shards may be another order."""
    two, weights = EXPERTS[:2], WEIGHTS[:2]
    want = root(usual, usual.spec(two, weights=weights))
    other, names = new_desk("shards"), sorted(SHAPES)
    for number, (model, tensors) in enumerate(family().items()):
        save_model(other.folder / model, tensors, [names[: 1 + number % 3], names[1 + number % 3 :]])
    assert root(other, other.spec(two, weights=weights)) == want


def test_of_the_blocks_that_a_catalog_knows(usual: Desk, new_desk: Callable[[str], Desk]) -> None:
    """What a full read leaves out because it equals the base, or another expert, changes nothing."""
    want = root(usual, usual.spec(EXPERTS, weights=WEIGHTS))
    for block in (BLOCK, 4 * BLOCK, 1 << 19):
        other = new_desk(f"blocks{block}")
        for model, tensors in family().items():
            save_model(other.folder / model, tensors)
        other.analyze(block=block)
        spec = other.spec(EXPERTS, weights=WEIGHTS, expert_reads="100%", block=block)
        assert root(other, spec) == want
