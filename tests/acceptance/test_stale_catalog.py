"""An expert that was overwritten is noticed by its content, whatever its times say; nothing is published."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from desks import BLOCK, Desk, save_model

import fusec
from fusec.runtime.executors import making
from fusec.runtime.kernel import RunError

EXPERTS = ("math", "code")


@pytest.fixture
def analysed(desk: Desk) -> Desk:
    g = torch.Generator().manual_seed(6)
    base = {"layer.weight": torch.randn(8 * BLOCK, generator=g)}
    save_model(desk.folder / "base", base)
    for name in EXPERTS:
        save_model(
            desk.folder / name, {n: t + 0.1 * torch.randn(t.shape, generator=g) for n, t in base.items()}
        )
    desk.analyze()
    return desk


def overwrite(folder: Path) -> None:
    """Other weights of the same size in the same file, with its times put back."""
    file = folder / "model.safetensors"
    stat, data = file.stat(), bytearray(file.read_bytes())
    for at in range(len(data) - 8 * BLOCK * 4, len(data), 4):
        data[at] ^= 1
    with open(file, "r+b") as opened:
        opened.write(data)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert file.stat().st_size == stat.st_size and file.stat().st_mtime_ns == stat.st_mtime_ns


def nothing_was_published(desk: Desk) -> bool:
    staged = [path for path in (desk.folder / ".fusec/staging").glob("*") if path.is_dir()]
    return not (desk.folder / "out").exists() and not staged


@pytest.mark.parametrize("reads", ["50%", "100%"])
def test_before_the_run(analysed: Desk, reads: str) -> None:
    """Once it is pinned, by its pin."""
    analysed.run(analysed.budgeted("0 B", EXPERTS, "linear"))
    (analysed.folder / "out").rename(analysed.folder / "earlier")
    overwrite(analysed.folder / "math")
    with pytest.raises((RunError, fusec.SpecError), match=r"FUSE402|FUSE309"):
        analysed.run(analysed.budgeted(reads, EXPERTS))
    assert nothing_was_published(analysed)


def test_between_the_analysis_and_the_lock(analysed: Desk) -> None:
    """What the catalog knows is of another content, and is not taken for this one."""
    overwrite(analysed.folder / "math")
    with pytest.raises(fusec.SpecError, match="FUSE309"):
        analysed.run(analysed.budgeted("50%", EXPERTS))
    assert nothing_was_published(analysed)


@pytest.mark.parametrize("reads", ["50%", "100%"])
def test_after_it_was_opened_by_the_hash_of_a_block(
    analysed: Desk, monkeypatch: pytest.MonkeyPatch, reads: str
) -> None:
    """The last moment: all looks at files are over, and the merge is about to read."""
    analysed.analyze(block=1 << 19)  # what a full read is checked against
    decide = making.decide_reads

    def overwritten(*args: object) -> object:
        found = decide(*args)  # type: ignore[arg-type]
        overwrite(analysed.folder / "math")
        return found

    monkeypatch.setattr(making, "decide_reads", overwritten)
    with pytest.raises(
        RunError, match=r"FUSE402.*math.*layer.weight.* changed in block \d+ since it was analysed"
    ):
        analysed.run(analysed.budgeted(reads, EXPERTS))
    assert nothing_was_published(analysed)
