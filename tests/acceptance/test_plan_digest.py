"""A plan under a budget is the same in every process and catalog; one byte of an input changes it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import torch
from desks import Desk, save_model

from fusec.cli.main import dispatch

PROGRAM = """
import fusec
plan = fusec.compile("spec.fuse").planned
print(plan.id, *(task.reads.digest for task in plan.tasks if task.reads is not None))
"""
SURROUNDINGS = [
    {"PYTHONHASHSEED": "0", "LC_ALL": "C"},
    {"PYTHONHASHSEED": "1", "LC_ALL": "C.UTF-8", "OMP_NUM_THREADS": "1"},
    {"PYTHONHASHSEED": "77", "LANG": "tr_TR.UTF-8", "OPENBLAS_NUM_THREADS": "4"},
    {"PYTHONHASHSEED": "random", "TZ": "Asia/Kathmandu", "MKL_NUM_THREADS": "2"},
    {"PYTHONHASHSEED": "4294967295", "PYTHONUTF8": "0", "OMP_NUM_THREADS": "8"},
]
EXPERTS = ("math", "code", "law")


def write_family(desk: Desk, mtime: int) -> None:
    g = torch.Generator().manual_seed(2)
    base = {f"l{i}.weight": torch.randn(20_000 + i, generator=g) for i in range(4)}
    for name in ("base", *EXPERTS):
        change = {n: (name != "base") * 0.01 * torch.randn(t.shape, generator=g) for n, t in base.items()}
        save_model(desk.folder / name, {n: t + change[n] for n, t in base.items()})
        for file in (desk.folder / name).iterdir():
            os.utime(file, (mtime, mtime))


def planned(desk: Desk, **env: str) -> str:
    done = desk.python(PROGRAM, **env)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_five_processes_and_catalogs_agree(new_desk: Callable[[str], Desk]) -> None:
    seen = set()
    for number, env in enumerate(SURROUNDINGS):
        desk = new_desk(f"d{number}")
        write_family(desk, 1_000_000_000 + 10_000_000 * number)
        turn = number % len(EXPERTS)
        desk.analyze(*EXPERTS[turn:], *EXPERTS[:turn])
        assert dispatch(["lock", str(desk.budgeted("30%", EXPERTS))]) == 0
        seen.add(planned(desk, **env))
    (told,) = seen
    assert len(told.split()) == 2, "the plan has its reads"


def test_one_byte_of_an_input_makes_another_plan(desk: Desk) -> None:
    """Its size and times being what they were does not hide it from whoever looks at the content."""
    write_family(desk, 1_000_000_000)
    desk.analyze(*EXPERTS)
    spec = str(desk.budgeted("30%", EXPERTS))
    assert dispatch(["lock", spec]) == 0
    before = planned(desk)
    flip(desk.folder / "code/model.safetensors", -5)
    desk.analyze(*EXPERTS)
    assert dispatch(["lock", spec, "--update"]) == 0
    after = planned(desk)
    assert before.split()[0] != after.split()[0] and len(after.split()) == 2


def flip(path: Path, at: int) -> None:
    """Changes a bit of a file and puts its times back."""
    stat, data = path.stat(), bytearray(path.read_bytes())
    data[at] ^= 1
    with open(path, "r+b") as file:
        file.write(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
