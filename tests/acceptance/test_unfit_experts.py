"""Experts that do not fit, files that are cut short, places that cannot be written: one error, no model."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from desks import TOKENIZER, Desk, load_model, merge_record, same_bits, save_model

import fusec
from fusec.cli.main import dispatch
from fusec.runtime.kernel import RunError
from fusec.runtime.replay import replay_run

Tensors = dict[str, torch.Tensor]


def tensors(seed: int, rows: int = 3) -> Tensors:
    g = torch.Generator().manual_seed(seed)
    shapes = {"model.embed_tokens.weight": (rows, 8), "layer.weight": (70, 100), "lm_head.weight": (rows, 8)}
    return {name: torch.randn(shape, generator=g) for name, shape in shapes.items()}


@pytest.fixture
def family(desk: Desk) -> Desk:
    for seed, name in enumerate(("base", "math", "code")):
        save_model(desk.folder / name, tensors(seed))
    return desk


def refused(desk: Desk) -> str:
    """The one error of checking or running the merge, which publishes nothing."""
    with pytest.raises((fusec.SpecError, RunError)) as caught:
        desk.run(desk.spec())
    if isinstance(caught.value, fusec.SpecError):
        assert len([p for p in caught.value.problems if p.level == "error"]) == 1
    assert not (desk.folder / "out").exists()
    return str(caught.value)


def test_a_tensor_is_missing(family: Desk) -> None:
    save_model(family.folder / "code", {n: t for n, t in tensors(2).items() if n != "layer.weight"})
    assert "FUSE201]: `code` lives in another weight space" in refused(family)


def test_a_tensor_too_many(family: Desk) -> None:
    save_model(family.folder / "code", tensors(2) | {"adapter.weight": torch.ones(4)})
    assert "FUSE201]: `code` lives in another weight space" in refused(family)


def test_another_shape(family: Desk) -> None:
    save_model(family.folder / "code", tensors(2) | {"layer.weight": torch.ones(70, 99)})
    assert "FUSE201]: `code` lives in another weight space" in refused(family)


def test_a_larger_vocabulary(family: Desk) -> None:
    save_model(family.folder / "code", tensors(2, rows=4), vocab_size=4)
    larger = json.loads(json.dumps(TOKENIZER))
    larger["model"]["vocab"]["c"] = 3
    (family.folder / "code/tokenizer.json").write_text(json.dumps(larger))
    told = refused(family)
    assert "code" in told and "tokenizer" in told


def test_a_larger_vocabulary_under_the_same_tokenizer(family: Desk) -> None:
    save_model(family.folder / "code", tensors(2, rows=4), vocab_size=4)
    assert "code" in refused(family)


def test_another_dtype_and_other_shards_are_no_hindrance(family: Desk) -> None:
    half = {n: t.bfloat16() for n, t in tensors(2).items()}
    save_model(family.folder / "code", half)
    family.run(family.spec())
    one = family.merged()
    names = sorted(half)
    (family.folder / "code/model.safetensors").unlink()
    save_model(family.folder / "code", half, [names[:1], names[1:]])
    assert dispatch(["lock", str(family.spec()), "--update"]) == 0
    family.run(family.spec())
    assert same_bits(family.merged(), one)


@pytest.mark.parametrize("cut", [1, 100, 20_000])
def test_a_shard_that_ends_too_early(family: Desk, cut: int) -> None:
    file = family.folder / "code/model.safetensors"
    os.truncate(file, file.stat().st_size - cut)
    told = refused(family)
    assert "code" in told and "model.safetensors" in told


def test_a_shard_that_is_cut_short_behind_the_lock(family: Desk) -> None:
    family.run(family.spec(method="linear"))
    (family.folder / "out").rename(family.folder / "earlier")
    file = family.folder / "code/model.safetensors"
    os.truncate(file, file.stat().st_size - 8)
    assert "model.safetensors" in refused(family)


def test_a_shard_that_is_cut_short_while_it_is_read(family: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from fusec.runtime.executors import making

    decide = making.decide_reads

    def cut(*args: object) -> object:
        found = decide(*args)  # type: ignore[arg-type]
        os.truncate(family.folder / "code/model.safetensors", 2000)
        return found

    monkeypatch.setattr(making, "decide_reads", cut)
    assert "model.safetensors" in refused(family)


def test_links_to_shards_are_read_through(family: Desk) -> None:
    family.run(family.spec())
    one = family.merged()
    (family.folder / "elsewhere").mkdir()
    file = family.folder / "code/model.safetensors"
    file.rename(family.folder / "elsewhere/weights")
    file.symlink_to("../elsewhere/weights")
    manifest = family.run(family.spec(method="task_arithmetic(scale: 1.0)"))
    assert same_bits(family.merged(), one)
    assert replay_run(family.manifest_path(manifest)).differences == ()


@pytest.fixture
def mounted(family: Desk) -> Iterator[Path]:
    """A disk of one megabyte in the place of the desk's folder `disk`."""
    disk = family.folder / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def to_disk(desk: Desk) -> Path:
    spec = desk.spec()
    spec.write_text(spec.read_text().replace("./out", "./disk/out"))
    return spec


def test_an_output_on_a_read_only_disk(family: Desk, mounted: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(mounted)], check=True)
    with pytest.raises(RunError, match=r"disk/out.*(?i:read-only)|(?i:read-only).*disk/out"):
        family.run(to_disk(family))
    subprocess.run(["mount", "-o", "remount,rw", str(mounted)], check=True)
    record = merge_record(family.run(to_disk(family)))
    assert same_bits(
        load_model(mounted / "out"), load_model(family.folder / ".fusec/objects/model" / record.id)
    )


def test_an_output_on_a_full_disk(family: Desk, mounted: Path) -> None:
    (mounted / "full").write_bytes(bytes(1 << 20))
    with pytest.raises(RunError, match=r"(?i)disk.*no space left on device"):
        family.run(to_disk(family))
    assert [path.name for path in mounted.iterdir()] == ["full"]
    (mounted / "full").unlink()
    family.run(to_disk(family))
    assert load_model(mounted / "out").keys() == tensors(0).keys()
