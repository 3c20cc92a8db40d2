"""A merge under a budget is a model like any other, and what was not touched is the base's to the byte."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from desks import BLOCK, Desk, bits, load_model, merge_record, save_model
from merge.family import Plant, Shape, write_family
from transformers import AutoModelForCausalLM, AutoTokenizer

from fusec.cli.main import dispatch
from fusec.compiler.reads.access import decode
from fusec.runtime.kernel import RunError
from fusec.runtime.sources.safetensors_header import read_header

EXPERTS = ("expert00", "expert01")
SMALL = Shape(hidden=64, layers=2, vocab=320)


@pytest.fixture
def merged(desk: Desk) -> Desk:
    write_family(desk.folder, 2, SMALL, plant=Plant(seed=1, block_bytes=2 * BLOCK, hot=0.3))
    desk.analyze()
    desk.run(desk.budgeted("20%", EXPERTS, shard_size="100 KB"))
    return desk


def test_a_stock_loader_takes_it(merged: Desk) -> None:
    net = AutoModelForCausalLM.from_pretrained(merged.folder / "out")
    batch = AutoTokenizer.from_pretrained(merged.folder / "out")("merge, please", return_tensors="pt")
    assert net.dtype == torch.bfloat16 and net(**batch).logits.isfinite().all()


def test_the_files_around_the_weights_are_those_of_the_base(merged: Desk) -> None:
    base, out = merged.folder / "base", merged.folder / "out"
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (out / name).read_bytes() == (base / name).read_bytes()
    assert json.loads((out / "config.json").read_text()) == json.loads((base / "config.json").read_text())


def test_shards_have_an_index_and_say_their_format(merged: Desk) -> None:
    out = merged.folder / "out"
    index = json.loads((out / "model.safetensors.index.json").read_text())
    headers = {file.name: read_header(file) for file in out.glob("*.safetensors")}
    assert len(headers) > 1 and all(h.metadata["format"] == "pt" for h in headers.values())
    held = {tensor.name: name for name, header in headers.items() for tensor in header.tensors}
    assert index["weight_map"] == held and held.keys() == load_model(merged.folder / "base").keys()
    assert index["metadata"]["total_size"] == sum(t.bytes for h in headers.values() for t in h.tensors)


def test_what_was_not_read_is_the_base_to_the_byte(merged: Desk) -> None:
    (path,) = (merged.folder / ".fusec/runs").glob("*/manifest.json")
    from fusec.runtime.manifest import load_manifest

    reads = merge_record(load_manifest(path)).reads
    assert reads is not None
    base, found = load_model(merged.folder / "base"), merged.merged()
    untouched = touched = 0
    for name, sources in decode(reads.access).sources().items():
        assert found[name].dtype == base[name].dtype and found[name].shape == base[name].shape
        pairs = zip(found[name].flatten().split(BLOCK), base[name].flatten().split(BLOCK), strict=True)
        for (got, was), merged_here in zip(pairs, (sources >= 0).any(axis=0), strict=True):
            touched += bool(merged_here)
            if not merged_here:
                untouched += 1
                assert bits(got) == bits(was), name
    assert touched > 3 and untouched > 3


def test_every_tensor_has_the_dtype_of_the_bases(desk: Desk) -> None:
    dtypes = {"a.weight": torch.bfloat16, "b.weight": torch.float32, "c.weight": torch.float16}
    for number, name in enumerate(("base", "math", "code")):
        model = {n: (torch.ones(9) + 0.01 * number).to(d) for n, d in dtypes.items()}
        if name == "code":  # in dtypes of its own
            model = {n: t.float() for n, t in model.items()}
        save_model(desk.folder / name, model)
    desk.run(desk.spec())
    assert {n: t.dtype for n, t in desk.merged().items()} == dtypes


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_no_number_in_an_expert_is_named(
    desk: Desk, capsys: pytest.CaptureFixture[str], value: float, dtype: torch.dtype
) -> None:
    g = torch.Generator().manual_seed(0)
    base = {"a.weight": torch.randn(3 * BLOCK, generator=g).to(dtype), "b.weight": torch.ones(5, dtype=dtype)}
    save_model(desk.folder / "base", base)
    for name in ("math", "code"):
        save_model(desk.folder / name, {n: t + 0.5 for n, t in base.items()})
    code = load_model(desk.folder / "code")
    code["a.weight"][BLOCK + 7] = value
    save_model(desk.folder / "code", code)
    with pytest.raises(
        RunError, match=rf"code/model.safetensors.*`a.weight` is not finite at flat index {BLOCK + 7}"
    ):
        desk.run(desk.spec())
    desk.analyze()
    assert (
        dispatch(["catalog", "show", str(desk.folder / "code"), "--store", str(desk.folder / ".fusec")]) == 0
    )
    assert "not finite" in capsys.readouterr().out
    with pytest.raises(RunError, match=r"code.*a\.weight|a\.weight.*code"):
        desk.run(desk.budgeted("50%"))
    assert not (desk.folder / "out").exists()
    # The stated policy: a tensor that is kept is nobody's concern.
    desk.run(desk.spec(keep='["a.*"]'))
    assert np.array_equal(desk.merged()["a.weight"].float(), base["a.weight"].float())
