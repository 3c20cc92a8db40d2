"""Kill a merge anywhere: readers see the old model or the new one, whole, and running again ends the same."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from desks import BLOCK, Desk, save_model

import fusec
from fusec.runtime import durable
from fusec.runtime.digest import folder_digest
from fusec.runtime.kernel import RunError
from fusec.runtime.ranges import local
from fusec.runtime.store import Store

EXPERTS = ("math", "code")
OLD, NEW = 0.25, 0.75
POINTS = (
    "publish.sealed",
    "publish.renamed",
    "publish.recorded",
    "output.staged",
    "output.swapped",
    "swap.aside",
)
"""All named failpoints that a merge passes; `swap.aside` where the system cannot exchange two folders."""

Fork = Callable[..., multiprocessing.process.BaseProcess]


@pytest.fixture
def analysed(desk: Desk) -> Desk:
    g = torch.Generator().manual_seed(8)
    base = {f"l{i}.weight": torch.randn(8 * BLOCK + i, generator=g).bfloat16() for i in range(4)}
    save_model(desk.folder / "base", base)
    for name in EXPERTS:
        changed = {n: (t + 0.1 * torch.randn(t.shape, generator=g)).bfloat16() for n, t in base.items()}
        save_model(desk.folder / name, changed)
    desk.analyze()
    return desk


@pytest.fixture
def fork() -> Iterator[Fork]:
    """Runs a function in a child that shares nothing but the disk."""
    children = []

    def start(function: Callable[..., None], *args: object) -> multiprocessing.process.BaseProcess:
        child = multiprocessing.get_context("fork").Process(target=function, args=args)
        child.start()
        children.append(child)
        return child

    yield start
    for child in children:
        child.kill()
        child.join()


def spec(desk: Desk, weight: float) -> Path:
    """Which of the two models is to be in `out`; both under one budget."""
    return desk.budgeted("50%", EXPERTS, weights=[weight, 1 - weight])


def roots(desk: Desk, new_desk: Callable[[str], Desk]) -> dict[float, str]:
    """What the published folder holds after an undisturbed run."""
    quiet = new_desk("quiet")
    shutil.copytree(desk.folder, quiet.folder, dirs_exist_ok=True)
    quiet.analyze()
    found = {}
    for weight in (OLD, NEW):
        (output,) = quiet.run(spec(quiet, weight)).outputs
        found[weight] = output.root
    return found


def there(desk: Desk) -> str | None:
    """The root of what a reader finds, of a whole folder or of none."""
    out = desk.folder / "out"
    return folder_digest(out).root if out.exists() else None


def run_forever(desk: Desk) -> None:
    store = desk.folder / ".fusec"
    while True:
        for weight in (OLD, NEW):
            fusec.compile(spec(desk, weight)).run(threads=2)
        opened = Store(store)
        for row in opened.catalog.objects():
            opened.discard(row.id)
        opened.catalog.query("DELETE FROM recipes")
        opened.close()


def run_once(desk: Desk, failpoint: str, weight: float) -> None:
    os.environ["FUSEC_FAILPOINT"] = failpoint
    if failpoint == "swap.aside":
        durable._renameat2 = None  # a system without an atomic exchange
    fusec.compile(spec(desk, weight)).run(threads=2)


def assert_completes(desk: Desk, wanted: dict[float, str]) -> None:
    """Both models come out as ever, with nothing left over beside them."""
    for weight in (OLD, NEW):
        desk.run(spec(desk, weight))
        assert there(desk) == wanted[weight]
    store = Store(desk.folder / ".fusec")
    assert list((store.root / "staging").iterdir()) == []
    assert all(store.verify(row.id) == () for row in store.catalog.objects())
    store.close()
    assert not list(desk.folder.glob(".out*"))


@pytest.mark.parametrize("republish", [False, True], ids=["first", "again"])
@pytest.mark.parametrize("point", POINTS)
def test_at_every_named_point(
    analysed: Desk, new_desk: Callable[[str], Desk], fork: Fork, point: str, republish: bool
) -> None:
    wanted = roots(analysed, new_desk)
    if republish:
        analysed.run(spec(analysed, OLD))
    child = fork(run_once, analysed, point, NEW)
    child.join()
    if point == "swap.aside" and not republish:
        assert child.exitcode == 0, "without an old folder there is nothing to put aside"
    else:
        assert child.exitcode == -9
    swapped = child.exitcode == 0 or point == "output.swapped"
    if point == "swap.aside" and republish:
        assert there(analysed) is None, "two renames leave a moment without either, which the next run mends"
    else:
        assert there(analysed) == (wanted[NEW] if swapped else wanted[OLD] if republish else None)
    assert_completes(analysed, wanted)


def kill_at_random(desk: Desk, wanted: dict[float, str], fork: Fork, times: int, republish: bool) -> int:
    """How many of the kills hit a run that had not published yet."""
    moments, early = random.Random(times), 0
    if republish:
        desk.run(spec(desk, OLD))
    for _ in range(times):
        if not republish:
            shutil.rmtree(desk.folder / "out", ignore_errors=True)
        child = fork(run_forever, desk)
        time.sleep(moments.uniform(0.05, 1.0))
        child.kill()
        child.join()
        assert child.exitcode == -9
        found = there(desk)
        early += found is None
        assert found in ({None} if not republish else set()) | set(wanted.values())
    return early


@pytest.mark.parametrize("republish", [False, True], ids=["first", "again"])
def test_at_a_few_random_moments(
    analysed: Desk, new_desk: Callable[[str], Desk], fork: Fork, republish: bool
) -> None:
    wanted = roots(analysed, new_desk)
    kill_at_random(analysed, wanted, fork, 8, republish)
    assert_completes(analysed, wanted)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("republish", [False, True], ids=["first", "again"])
def test_at_two_hundred_random_moments(
    analysed: Desk, new_desk: Callable[[str], Desk], fork: Fork, republish: bool
) -> None:
    wanted = roots(analysed, new_desk)
    early = kill_at_random(analysed, wanted, fork, 200, republish)
    assert republish or 10 < early < 190, "kills hit work before and after the first publish"
    assert_completes(analysed, wanted)


def test_somebody_else_takes_over(analysed: Desk, new_desk: Callable[[str], Desk], fork: Fork) -> None:
    """A second process waits for a live run, and goes on where a dead one was."""
    wanted = roots(analysed, new_desk)
    first, second = fork(run_once, analysed, "output.staged", NEW), fork(run_once, analysed, "", NEW)
    first.join()
    second.join()
    assert (first.exitcode, second.exitcode) in ((-9, 0), (0, 0)), "the first may find all done"
    assert there(analysed) == wanted[NEW]
    assert_completes(analysed, wanted)


def test_reads_that_come_short_are_gone_on_with(
    analysed: Desk, new_desk: Callable[[str], Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, read = roots(analysed, new_desk), os.preadv

    def short(fd: int, buffers: list[memoryview], offset: int) -> int:
        return read(fd, [buffers[0][: max(1, len(buffers[0]) // 3)]], offset)

    monkeypatch.setattr(local.os, "preadv", short)
    analysed.run(spec(analysed, NEW))
    assert there(analysed) == wanted[NEW]


@pytest.mark.parametrize("republish", [False, True], ids=["first", "again"])
def test_a_disk_that_fails_to_read_is_one_error(
    analysed: Desk, new_desk: Callable[[str], Desk], monkeypatch: pytest.MonkeyPatch, republish: bool
) -> None:
    wanted, read, calls = roots(analysed, new_desk), os.preadv, iter(range(1 << 20))
    if republish:
        analysed.run(spec(analysed, OLD))

    def failing(fd: int, buffers: list[memoryview], offset: int) -> int:
        if next(calls) > 10:
            raise OSError(5, "Input/output error")
        return read(fd, buffers, offset)

    with monkeypatch.context() as patched:
        patched.setattr(local.os, "preadv", failing)
        with pytest.raises(
            RunError, match=r"model.safetensors.*cannot be read at byte \d+: Input/output error"
        ):
            analysed.run(spec(analysed, NEW))
    assert there(analysed) == (wanted[OLD] if republish else None)
    assert_completes(analysed, wanted)


@pytest.mark.parametrize("republish", [False, True], ids=["first", "again"])
@pytest.mark.parametrize("room", [0, 3])
def test_a_full_disk_is_one_error(
    analysed: Desk,
    new_desk: Callable[[str], Desk],
    monkeypatch: pytest.MonkeyPatch,
    republish: bool,
    room: int,
) -> None:
    """`room`: writes that succeed before there is no space left."""
    from fusec.runtime import positioned

    wanted, write, calls = roots(analysed, new_desk), os.pwrite, iter(range(1 << 20))
    if republish:
        analysed.run(spec(analysed, OLD))

    def full(fd: int, data: bytes, offset: int) -> int:
        if next(calls) >= room:
            raise OSError(28, "No space left on device")
        return write(fd, data, offset)

    with monkeypatch.context() as patched:
        patched.setattr(positioned.os, "pwrite", full)
        with pytest.raises(RunError, match=r"(?i)no space left on device"):
            analysed.run(spec(analysed, NEW))
    assert there(analysed) == (wanted[OLD] if republish else None)
    assert_completes(analysed, wanted)
