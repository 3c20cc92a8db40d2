"""Deltas as experts: adapters as PEFT writes them, stored task vectors, mixed with models."""

import itertools
import json
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from fusec.runtime.kernel import Artifact, Context, Meter, Method, RunError
from fusec.runtime.kernels import task_vector
from fusec.runtime.kernels.merge import tiles, units
from fusec.runtime.kernels.merge.products import Factors

AVERAGE = Method("average")
ARITHMETIC = Method("task_arithmetic", {"scale": 0.7, "normalize": False})
TIES = Method("ties", {"density": 0.3, "scale": 0.9, "normalize": True})
Q, EMBED, HEAD, NORM = "model.q.weight", "model.embed_tokens.weight", "lm_head.weight", "model.norm.weight"
SHAPES = {Q: (37, 19), "model.down.weight": (19, 37), EMBED: (64, 19), HEAD: (64, 19), NORM: (19,)}


def weights(seed=0, dtype=torch.bfloat16):
    g = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=g).to(dtype) for name, shape in SHAPES.items()}


def factors(name, rank, seed=1, embedding=False, dtype=torch.float32):
    """The two stored factors for a tensor of the base, under their keys."""
    g = torch.Generator().manual_seed(seed)
    rows, columns = SHAPES[name]
    module = f"base_model.model.{name.removesuffix('.weight')}"
    ins, outs = (rows, columns) if embedding else (columns, rows)
    end = ("lora_embedding_A", "lora_embedding_B") if embedding else ("lora_A.weight", "lora_B.weight")
    a, b = torch.randn(rank, ins, generator=g) * 0.1, torch.randn(outs, rank, generator=g) * 0.1
    return {f"{module}.{end[0]}": a.to(dtype), f"{module}.{end[1]}": b.to(dtype)}


@pytest.fixture
def write_adapter(tmp_path):
    """Writes a folder as `save_pretrained` of PEFT does."""

    def write(name, tensors, **config):
        folder = tmp_path / name
        folder.mkdir()
        save_file(
            {key: tensor.contiguous() for key, tensor in tensors.items()},
            folder / "adapter_model.safetensors",
        )
        stated = {"peft_type": "LORA", "r": 4, "lora_alpha": 6, "base_model_name_or_path": "acme/base"}
        (folder / "adapter_config.json").write_text(json.dumps({**stated, **config}))
        return Artifact("delta", folder, name)

    return write


@pytest.fixture
def write_delta(tmp_path):
    """Runs the kernel of `task_vector`."""

    def write(name, model, base, dtype="fp32"):
        out, meter = tmp_path / name, Meter()
        out.mkdir()
        ctx = Context(out, lambda kind, **fields: None, meter, threads=2)
        task_vector.run({"model": model, "base": base}, {"dtype": dtype}, ctx)
        return Artifact("delta", out, name)

    return write


def in_order(a, b, scale):
    """The definition: outer products of rising rank, each operation rounded to fp32, the scale last."""
    total = b[:, :1] * a[:1]
    for k in range(1, a.shape[0]):
        total = total + b[:, k : k + 1] * a[k : k + 1]
    return total * torch.tensor(scale, dtype=torch.float32)


def bits(t):
    return t.contiguous().flatten().view(torch.uint8).numpy().tobytes()


def assert_same_bits(got, want):
    assert got.keys() == want.keys()
    for name in want:
        assert (got[name].dtype, got[name].shape) == (want[name].dtype, want[name].shape), name
        assert bits(got[name]) == bits(want[name]), name


@pytest.mark.parametrize("stored", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("method", [AVERAGE, ARITHMETIC], ids=lambda m: m.name)
def test_one_adapter_is_the_base_plus_scaled_outer_products(
    write_model, write_adapter, run_merge, method, stored
):
    base, pair = weights(), factors(Q, 4, dtype=stored)
    got = run_merge(write_model("base", base), [write_adapter("lora", pair)], method).tensors
    change = in_order(*(tensor.float() for tensor in pair.values()), 6 / 4)
    scale = method.args.get("scale", 1.0)
    assert_same_bits(got, {**base, Q: (base[Q].float() + change * scale).bfloat16()})


@pytest.mark.parametrize(
    ("config", "scale"),
    [
        ({}, 6 / 4),
        ({"lora_alpha": 3}, 3 / 4),
        ({"use_rslora": True}, 6 / math.sqrt(4)),
        ({"alpha_pattern": {"q": 10, "model.q": 5}}, 10 / 4),
        ({"alpha_pattern": {"down": 10, "^model.q": 5}}, 5 / 4),
        ({"alpha_pattern": {"q.q": 10, "^q": 5}}, 6 / 4),
        ({"r": 8, "rank_pattern": {"model.q": 4}, "alpha_pattern": {r"m.*\.q": 8}}, 8 / 4),
    ],
)
def test_scale(write_model, write_adapter, run_merge, config, scale):
    base, pair = weights(dtype=torch.float32), factors(Q, 4)
    got = run_merge(write_model("base", base), [write_adapter("lora", pair, **config)], AVERAGE).tensors
    assert_same_bits({Q: got[Q]}, {Q: base[Q] + in_order(*pair.values(), scale)})
    a, b = pair.values()
    torch.testing.assert_close(got[Q], base[Q] + scale * b @ a, rtol=0, atol=1e-6)


def test_embeddings_and_transposed_modules_store_their_change_turned(write_model, write_adapter, run_merge):
    base = weights(dtype=torch.float32)
    embedding, turned = factors(EMBED, 4, embedding=True), factors(Q, 4, embedding=True)
    turned = {key.replace("lora_embedding_", "lora_") + ".weight": tensor for key, tensor in turned.items()}
    pairs = {**embedding, **turned}
    got = run_merge(
        write_model("base", base), [write_adapter("lora", pairs, fan_in_fan_out=True)], AVERAGE
    ).tensors
    for name, (a, b) in ((EMBED, embedding.values()), (Q, turned.values())):
        assert_same_bits({name: got[name]}, {name: base[name] + in_order(b.T, a.T, 6 / 4)})


def test_tensors_stored_whole_take_the_place_of_the_base(write_model, write_adapter, run_merge):
    """What `modules_to_save` and `bias` name; and an embedding saved beside its factors."""
    base, new, pair = weights(), weights(seed=5), factors(EMBED, 4, embedding=True)
    whole = {
        f"base_model.model.{NORM}": new[NORM],
        "base_model.model.model.embed_tokens.base_layer.weight": new[EMBED],
    }
    adapter = write_adapter("lora", {**pair, **whole}, modules_to_save=["norm"])
    a, b = pair.values()
    change = in_order(b.T, a.T, 6 / 4)
    got = run_merge(write_model("base", base), [adapter], AVERAGE)
    want = {**base, NORM: new[NORM], EMBED: (new[EMBED].float() + change).bfloat16()}
    assert_same_bits(got.tensors, want)
    got = run_merge(Artifact("model", got.folder.parent / "base", "base"), [adapter], ARITHMETIC).tensors
    moved = (new[EMBED].float() - base[EMBED].float()) + change
    assert_same_bits({EMBED: got[EMBED]}, {EMBED: (base[EMBED].float() + moved * 0.7).bfloat16()})


@settings(max_examples=100, deadline=None)
@given(
    rank=st.integers(1, 5),
    rows=st.integers(1, 9),
    columns=st.integers(1, 9),
    cuts=st.lists(st.integers(1, 80), max_size=5),
    seed=st.integers(0, 99),
)
def test_any_range_of_a_change_has_the_same_bits(rank, rows, columns, cuts, seed):
    rng = np.random.default_rng(seed)
    left, right = rng.normal(size=(rank, rows)), rng.normal(size=(rank, columns))
    made = Factors(left.astype(np.float32), right.astype(np.float32), np.float32(0.3))
    whole = in_order(torch.from_numpy(made.right), torch.from_numpy(made.left).T, 0.3).flatten().numpy()
    edges = sorted({0, rows * columns, *(cut for cut in cuts if cut < rows * columns)})
    for start, stop in itertools.pairwise(edges):
        piece = np.empty(stop - start, np.float32)
        made.fill(piece, start, np.empty_like(piece))
        assert piece.tobytes() == whole[start:stop].tobytes()


@pytest.fixture
def mixture(write_model, write_adapter, write_delta):
    """A base and four experts of every kind."""
    base = write_model("base", weights())
    model, other = write_model("model", weights(seed=2)), write_model("other", weights(seed=3))
    both = {**factors(Q, 4), **factors("model.down.weight", 4, seed=4)}
    adapter = write_adapter("lora", both)
    wide = write_adapter("wide", factors(Q, 8, seed=5, dtype=torch.bfloat16), r=8)
    return base, [model, adapter, write_delta("delta", other, base), wide]


def test_tiles_threads_and_order_do_not_matter(mixture, run_merge, method, monkeypatch):
    base, experts = mixture
    numbers = (0.5, 0.3, 0.9, -0.2)
    pairs = experts if method.name == "average" else list(zip(experts, numbers, strict=True))
    whole = run_merge(base, pairs, method).files
    for span, working_set in ((50, 256), (1 << 22, 64)):
        monkeypatch.setattr(units, "SPAN", span)
        monkeypatch.setattr(tiles, "WORKING_SET", working_set)
        for order in (pairs, pairs[::-1], pairs[2:] + pairs[:2]):
            assert run_merge(base, order, method, threads=3).files == whole


@pytest.mark.parametrize("method", [ARITHMETIC, TIES], ids=lambda m: m.name)
def test_a_task_vector_stands_for_its_model_to_the_last_byte(write_model, write_delta, run_merge, method):
    """Also where the subtraction is not exact: weights of very different magnitude."""
    base, model, third = weights(dtype=torch.float32), weights(2, torch.float32), weights(3, torch.float32)
    base[Q] *= 1e-4
    written = [write_model(n, t) for n, t in (("base", base), ("model", model), ("third", third))]
    delta = write_delta("delta", written[1], written[0])
    own = Artifact("delta", delta.path, written[1].id)
    assert (
        run_merge(written[0], [own, written[2]], method).files
        == run_merge(written[0], [written[1], written[2]], method).files
    )


def test_an_average_of_a_task_vector_is_its_model_where_the_subtraction_was_exact(
    write_model, write_delta, run_merge
):
    base = weights()
    near = {name: (tensor.float() * 1.25).bfloat16() for name, tensor in base.items()}
    first, second = write_model("base", base), write_model("near", near)
    assert_same_bits(run_merge(first, [write_delta("delta", second, first)], AVERAGE).tensors, near)


def test_a_stored_task_vector_says_what_it_is(write_model, write_delta):
    base, model = write_model("base", weights()), write_model("model", weights(2))
    delta = write_delta("delta", model, base, dtype="bf16")
    assert json.loads((delta.path / "delta.json").read_text()) == {
        "format": "fusec-delta",
        "version": 1,
        "base": "base",
        "model": "model",
    }
    assert {path.name for path in delta.path.iterdir()} == {"delta.json", "model.safetensors"}


def test_tensors_that_are_not_floats_are_equal_and_left_out(write_model, write_delta, run_merge):
    ids = torch.arange(5)
    base = write_model("base", {"w": torch.ones(4), "ids": ids})
    delta = write_delta("delta", write_model("x", {"w": torch.zeros(4), "ids": ids}), base)
    got = run_merge(base, [delta], AVERAGE).tensors
    assert_same_bits(got, {"w": torch.zeros(4), "ids": ids})
    with pytest.raises(RunError, match="`ids` differs from the base's"):
        write_delta("other", write_model("y", {"w": torch.zeros(4), "ids": ids + 1}), base)


def test_a_change_that_its_dtype_cannot_hold_is_refused(write_model, write_delta):
    base, model = write_model("base", {"w": torch.ones(4)}), write_model("x", {"w": torch.full((4,), 1e9)})
    with pytest.raises(RunError, match="the change of tensor `w` overflows F16 at flat index 0"):
        write_delta("delta", model, base, dtype="fp16")


class TestTiedHeads:
    """A tied base has its head in its embedding."""

    @pytest.fixture
    def tied(self, write_model):
        tensors = weights(dtype=torch.float32)
        del tensors[HEAD]
        return tensors, write_model("base", tensors, config={"tie_word_embeddings": True})

    def test_an_adapter_of_either_is_refused(self, tied, write_adapter, run_merge):
        for name, what in ((HEAD, "not in the base"), (EMBED, "is also the head of the base")):
            adapter = write_adapter(name, factors(name, 4, embedding=name == EMBED))
            with pytest.raises(RunError, match=what):
                run_merge(tied[1], [adapter], AVERAGE)
        kept = run_merge(tied[1], [Artifact("delta", adapter.path, "lora")], AVERAGE, keep=(EMBED,))
        assert_same_bits(kept.tensors, tied[0])

    def test_a_task_vector_fits_bases_that_store_the_head_and_those_that_do_not(
        self, tied, write_model, write_delta, run_merge
    ):
        tensors, base = tied
        moved = {name: tensor + 1 for name, tensor in tensors.items()}
        model = write_model("moved", moved, config={"tie_word_embeddings": True})
        twice = write_model("twice", {**tensors, HEAD: tensors[EMBED]}, config={"tie_word_embeddings": True})
        without, both = write_delta("without", model, base), write_delta("both", model, twice)
        assert run_merge(base, [without], ARITHMETIC).files == run_merge(base, [both], ARITHMETIC).files
        for delta in (without, both):
            got = run_merge(twice, [delta], ARITHMETIC).tensors
            assert torch.equal(got[HEAD], got[EMBED])


@pytest.mark.parametrize("method", [AVERAGE, ARITHMETIC, TIES], ids=lambda m: m.name)
def test_reads_are_those_of_the_factors(write_model, write_adapter, run_merge, monkeypatch, method):
    """Once for all passes, tiles and threads; the base once where a method takes weights."""
    monkeypatch.setattr(units, "SPAN", 50)
    base = weights()
    meter = run_merge(
        write_model("base", base), [write_adapter("lora", factors(Q, 4))], method, threads=3
    ).meter
    passes = 2 if method is TIES else 1
    assert meter.expert_bytes == 4 * 4 * (37 + 19)
    assert meter.bytes_read == meter.expert_bytes + passes * sum(t.nbytes for t in base.values())


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_factor_that_is_not_finite_is_named(write_model, write_adapter, run_merge, value):
    pair = factors(Q, 4)
    pair[f"base_model.model.{Q}".replace("weight", "lora_B.weight")][3, 2] = float(value)
    with pytest.raises(RunError, match=r"lora_B\.weight` is not finite at flat index 14"):
        run_merge(write_model("base", weights()), [write_adapter("lora", pair)], AVERAGE, threads=2)


def test_a_product_that_overflows_is_an_error(write_model, write_adapter, run_merge):
    pair = {key: tensor * 1e25 for key, tensor in factors(Q, 4).items()}
    with pytest.raises(RunError, match=r"merged tensor `model\.q\.weight` overflows BF16"):
        run_merge(write_model("base", weights()), [write_adapter("lora", pair)], ARITHMETIC)


def test_an_adapter_of_another_base_is_refused(write_model, write_adapter, run_merge):
    base = write_model("base", {Q: torch.ones(2, 2)})
    with pytest.raises(RunError, match=r"tensor `model\.q\.weight` as \[37, 19\], but it is \[2, 2\]"):
        run_merge(base, [write_adapter("lora", factors(Q, 4))], AVERAGE)
    with pytest.raises(RunError, match=r"tensor `model\.down\.weight`, which is not in the base"):
        run_merge(base, [write_adapter("other", factors("model.down.weight", 4))], AVERAGE)


CHILD = """
import resource, sys
from pathlib import Path
from fusec.runtime.kernel import Artifact, Context, Meter, Method
from fusec.runtime.kernels.merge import run
base, adapter, out = map(Path, sys.argv[1:4])
out.mkdir()
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before = peak()
slots = {"rules": (), "keep": (), "dtype": None, "shard_size": None}
slots["method"] = Method("ties", {"density": 0.2, "scale": 1.0, "normalize": True})
experts = ((Artifact("delta", adapter, "lora"), None),)
run({"base": Artifact("model", base, "base"), "experts": experts}, slots,
    Context(out=out, emit=lambda *a, **k: None, meter=Meter(), threads=2))
print(peak() - before)
"""


def test_memory_does_not_grow_with_the_tensor(write_model, write_adapter, tmp_path):
    base = write_model("base", {"w.weight": torch.zeros(8192, 2048, dtype=torch.bfloat16)})
    ends = {"A": torch.ones(2, 2048), "B": torch.ones(8192, 2)}
    pair = {f"base_model.model.w.lora_{end}.weight": factor for end, factor in ends.items()}
    adapter = write_adapter("lora", pair, r=2)
    paths = [str(path) for path in (base.path, adapter.path, tmp_path / "out")]
    done = subprocess.run([sys.executable, "-c", CHILD, *paths], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 16, "the change itself takes 64 MB in float32"
