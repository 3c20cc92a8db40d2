"""Casts: torch's rounding, shards of the size asked for, and no weight lost to infinity."""

import json

import pytest
import torch

from fusec.runtime import transfer
from fusec.runtime.kernel import Artifact, Context, Meter, RunError
from fusec.runtime.kernels import cast

TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def spec(block: str) -> str:
    return f"""model a from "./a"
model b = cast {{ model: a, {block} }}
output b to "./out/b"
"""


@pytest.mark.parametrize("source", TYPES)
@pytest.mark.parametrize("target", TYPES)
def test_a_cast_rounds_as_torch_does(bench, source, target):
    bench.model("a", dtype=TYPES[source])
    bench.run(spec(f"dtype: {target}"))
    own, made = bench.tensors("a"), bench.tensors("out/b")
    assert own.keys() == made.keys()
    for name, tensor in made.items():
        assert torch.equal(tensor, own[name].to(TYPES[target])), name
    assert bench.config("out/b").dtype == TYPES[target]


@pytest.mark.parametrize("piece", [7, 64])
def test_neither_pieces_nor_threads_show(bench, monkeypatch, piece):
    bench.model("a")
    model = Artifact("model", bench.folder / "a", "a")
    monkeypatch.setattr(transfer, "PIECE", piece)
    written = []
    for threads in (1, 3):
        out = bench.folder / f"out{threads}"
        out.mkdir()
        ctx = Context(out=out, emit=lambda kind, **fields: None, meter=Meter(), threads=threads)
        cast.run({"model": model}, {"dtype": "bf16", "shard_size": 5000}, ctx)
        written.append({path.name: path.read_bytes() for path in out.iterdir()})
        assert ctx.meter.bytes_read == 2 * ctx.meter.bytes_written
        own = bench.tensors("a")
        assert all(torch.equal(t, own[n].bfloat16()) for n, t in bench.tensors(out.name).items())
    assert written[0] == written[1]


def test_shards_are_of_the_size_asked_for_and_load(bench, logits):
    bench.model("a", dtype=torch.bfloat16)
    bench.run(spec("shard_size: 4 KB"))
    shards = sorted((bench.folder / "out/b").glob("*.safetensors"))
    assert len(shards) > 2
    assert all(shard.stat().st_size < 4000 + 2000 for shard in shards)
    index = json.loads((bench.folder / "out/b/model.safetensors.index.json").read_text())
    assert set(index["weight_map"].values()) == {shard.name for shard in shards}
    own, made = bench.tensors("a"), bench.tensors("out/b")
    assert all(torch.equal(own[name], made[name]) for name in own)
    assert torch.equal(logits(bench.load("out/b")), logits(bench.load("a")))


def test_a_cast_back_gives_the_bytes_back(bench):
    bench.model("a", dtype=torch.bfloat16)
    bench.run(
        """model a from "./a"
model b = a |> cast { dtype: fp32 } |> cast { dtype: bf16 }
output b to "./out/b"
"""
    )
    weights = "model.safetensors"
    assert (bench.folder / "out/b" / weights).read_bytes() == (bench.folder / "a" / weights).read_bytes()


@pytest.mark.parametrize(("value", "says"), [(1e5, "overflows F16"), (float("nan"), "is not finite")])
def test_a_weight_that_the_type_cannot_hold_is_named(bench, value, says):
    net = bench.model("a")
    with torch.no_grad():
        net.model.layers[1].mlp.up_proj.weight[2, 3] = value
    net.save_pretrained(bench.folder / "a")
    with pytest.raises(RunError, match=rf"`model\.layers\.1\.mlp\.up_proj\.weight` {says} at flat index 35"):
        bench.run(spec("dtype: fp16"))
    assert not (bench.folder / "out").exists()


def test_a_cast_base_takes_the_experts_of_the_base(bench):
    bench.model("base", seed=1)
    bench.model("math", seed=2)
    bench.run(
        """model base from "./base"
model math: Model[_, _, root: base] from "./math"
model small = base |> cast { dtype: bf16 }
model one = merge { base: small, experts: [math], method: average }
output one to "./out/one"
"""
    )
    own = bench.tensors("math")
    assert all(torch.equal(t, own[name].bfloat16()) for name, t in bench.tensors("out/one").items())
