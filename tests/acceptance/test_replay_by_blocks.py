"""A replay of a merge under a budget needs the blocks that were read, and no other byte of the experts."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from desks import BLOCK, Desk, merge_record, save_model

from fusec.compiler.identity import graph_ids
from fusec.compiler.reads.access import decode
from fusec.runtime.kernel import RunError
from fusec.runtime.manifest import Manifest
from fusec.runtime.replay import replay_run
from fusec.runtime.session import read_plan
from fusec.runtime.sources.safetensors_header import read_model_headers

EXPERTS = ("math", "code")


def ids(desk: Desk) -> dict[str, str]:
    """Of the sources as they were pinned, wherever they are now."""
    graph = read_plan(next((desk.folder / ".fusec/runs").glob("*/plan"))).graph()
    return dict(graph_ids(graph))


@pytest.fixture
def ran(desk: Desk) -> tuple[Desk, Manifest]:
    """A merge that read about a third of its experts."""
    g = torch.Generator().manual_seed(4)
    base = {f"layer.{i}.weight": torch.randn(6 * BLOCK, generator=g).bfloat16() for i in range(3)}
    save_model(desk.folder / "base", base)
    for name in EXPERTS:
        sizes = 10.0 ** -torch.randint(1, 4, (3, 6, 1), generator=g)
        noise = torch.randn((3, 6, BLOCK), generator=g) * sizes
        changed = {n: (t + noise[i].flatten()).bfloat16() for i, (n, t) in enumerate(base.items())}
        save_model(desk.folder / name, changed)
    desk.analyze()
    return desk, desk.run(desk.budgeted("35%", EXPERTS))


def moved(desk: Desk) -> Path:
    """The sources in another folder."""
    elsewhere = desk.folder.parent / "elsewhere"
    for name in ("base", *EXPERTS):
        shutil.move(desk.folder / name, elsewhere / name)
    return elsewhere


def flip(desk: Desk, elsewhere: Path, manifest: Manifest, expert: str, *, read: bool) -> tuple[str, int]:
    """Changes one bit of a block of an expert that was read, or was not; its tensor and number."""
    reads = merge_record(manifest).reads
    assert reads is not None
    place = sorted(EXPERTS, key=ids(desk).__getitem__).index(expert)
    found = ((name, flags[place] == read) for name, flags in decode(reads.access).reads().items())
    tensor, blocks = next((name, np.flatnonzero(wanted)) for name, wanted in found if wanted.any())
    block = int(blocks[0])
    file = elsewhere / expert / "model.safetensors"
    at = read_model_headers(elsewhere / expert).tensors[tensor].start + 2 * BLOCK * block + 300
    with open(file, "r+b") as opened:
        os.pwrite(opened.fileno(), bytes([os.pread(opened.fileno(), 1, at)[0] ^ 1]), at)
    return tensor, block


def test_in_another_folder_all_is_equal(ran) -> None:
    desk, manifest = ran
    replayed = replay_run(desk.manifest_path(manifest), base=moved(desk))
    assert replayed.differences == () and sum(replayed.equal.values()) == 1


@pytest.mark.parametrize("expert", EXPERTS)
def test_a_byte_that_was_not_read_may_be_another(ran, expert: str) -> None:
    desk, manifest = ran
    elsewhere = moved(desk)
    flip(desk, elsewhere, manifest, expert, read=False)
    assert replay_run(desk.manifest_path(manifest), base=elsewhere).differences == ()


@pytest.mark.parametrize("expert", EXPERTS)
def test_a_byte_that_was_read_is_named_by_expert_tensor_and_block(ran, expert: str) -> None:
    desk, manifest = ran
    elsewhere = moved(desk)
    tensor, block = flip(desk, elsewhere, manifest, expert, read=True)
    with pytest.raises(RunError, match=rf"FUSE402.*{expert}.*{tensor}.*block {block} ") as caught:
        replay_run(desk.manifest_path(manifest), base=elsewhere)
    assert "since it was analysed" in caught.value.what


def test_the_base_must_be_what_it_was(ran) -> None:
    desk, manifest = ran
    elsewhere = moved(desk)
    file = elsewhere / "base/model.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    with pytest.raises(RunError, match=r"FUSE402: model.safetensors of `./base` changed since it was locked"):
        replay_run(desk.manifest_path(manifest), base=elsewhere)


def test_a_run_is_held_to_its_lock_by_every_byte(ran) -> None:
    """Only replay, which asks what was merged then, lets go of bytes that took no part."""
    desk, manifest = ran
    flip(desk, desk.folder, manifest, "math", read=False)
    desk.analyze()
    with pytest.raises(RunError, match=r"FUSE402: model.safetensors of `./math` changed since it was locked"):
        desk.run(desk.budgeted("30%", EXPERTS))


def test_two_runs_have_one_meaning(ran) -> None:
    desk, manifest = ran
    shutil.rmtree(desk.folder / ".fusec")
    desk.analyze()
    assert desk.run().semantic_digest == manifest.semantic_digest
