"""Memory that no file backs stays flat: in the number of experts, and in the size of a tensor."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from desks import Desk, save_model
from merge.measure import measure
from safetensors.numpy import save_file

MB = 1 << 20
CAP = 300 * MB
METHODS = ("task_arithmetic", "ties(density: 0.2)")


def write(folder: Path, megabytes: int, seed: int) -> None:
    """A model of one fp16 tensor of so many MB, of a repeated pattern."""
    save_model(folder, {})
    pattern = np.random.default_rng(seed).normal(size=1 << 16).astype(np.float16)
    rows = megabytes * MB // 2 // len(pattern)
    save_file({"w": np.broadcast_to(pattern, (rows, len(pattern))).copy()}, folder / "model.safetensors")


def peak(desk: Desk, spec: Path) -> int:
    """Of a fresh process that runs a spec with two threads."""
    command = [Path(sys.executable).with_name("fusec"), "run", spec.name, "--threads", "2"]
    found = measure(command, cwd=desk.folder)
    assert found.code == 0, found.output
    return found.anonymous


@pytest.fixture
def many(desk: Desk) -> Desk:
    """A base and 32 experts of 32 MB with configurations of their own, so that none is another one."""
    write(desk.folder / "base", 32, 0)
    write(desk.folder / "x0", 32, 1)
    for i in range(1, 32):
        shutil.copytree(desk.folder / "x0", desk.folder / f"x{i}", copy_function=os.link)
        config = desk.folder / f"x{i}/config.json"
        text = config.read_text()
        config.unlink()
        config.write_text(text.replace("{", "{" + " " * i, 1))
    return desk


@pytest.mark.parametrize("method", METHODS)
def test_it_does_not_grow_with_the_number_of_experts(many: Desk, method: str) -> None:
    few = peak(many, many.spec([f"x{i}" for i in range(2)], method))
    lots = peak(many, many.spec([f"x{i}" for i in range(32)], method))
    assert lots < CAP
    # Headers, pins and pages of the catalog are one per expert; trimming adds a histogram of each.
    assert lots - few < (48 if "ties" in method else 24) * MB


def grows(new_desk: Callable[[str], Desk], method: str, megabytes: int) -> tuple[int, int]:
    """Peaks for a tensor of 16 MB and for one of `megabytes`."""
    found = []
    for size in (16, megabytes):
        desk = new_desk(f"mb{size}")
        write(desk.folder / "base", size, 0)
        write(desk.folder / "x0", size, 1)
        found.append(peak(desk, desk.spec(["x0"], method)))
        shutil.rmtree(desk.folder)
    return found[0], found[1]


@pytest.mark.parametrize("method", METHODS)
def test_it_does_not_grow_with_a_tensor(new_desk: Callable[[str], Desk], method: str) -> None:
    small, large = grows(new_desk, method, 256)
    assert large < CAP and large - small < 64 * MB


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_nor_with_one_of_two_gigabytes(new_desk: Callable[[str], Desk]) -> None:
    small, large = grows(new_desk, "task_arithmetic", 2048)
    assert large < CAP and large - small < 64 * MB


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_trimming_two_gigabytes_holds_a_sample_of_them(new_desk: Callable[[str], Desk]) -> None:
    """One element in 64 of every expert that is looked at, twice while its bracket is found: it does grow."""
    _, large = grows(new_desk, "ties(density: 0.2)", 2048)
    assert large < 400 * MB
