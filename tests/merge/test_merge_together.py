"""Merges of one family in one scan: the bytes of separate merges, read once."""

import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fusec.compiler.slots import Many, One
from fusec.compiler.step import methods_of
from fusec.runtime.kernel import Artifact, Context, Meter, Method, RunError
from fusec.runtime.kernels.merge import operator_of, tiles, units
from fusec.runtime.kernels.merge.reads import Reads
from fusec.runtime.kernels.merge.together import Member, run_together

AVERAGE = Method("average")
LINEAR = Method("linear", {"normalize": True})
TIES = Method("ties", {"density": 0.3, "scale": 0.9, "normalize": True})
SCE = Method("sce", {"select_topk": 0.5})
DARE = Method(
    "dare_linear",
    {"density": 0.5, "scale": 1.0, "normalize": False, "rescale": "inverse_p", "seed": 3},
)


def arithmetic(scale: float) -> Method:
    return Method("task_arithmetic", {"scale": scale, "normalize": False})


def drawn(experts: int, dtype: torch.dtype = torch.bfloat16) -> list[dict[str, torch.Tensor]]:
    rng = torch.Generator().manual_seed(5)
    shapes = {"a": (31, 40), "b": (900,), "none": (0, 3), "scale": ()}
    models = [
        {n: torch.randn(s, generator=rng).to(dtype) for n, s in shapes.items()} for _ in range(1 + experts)
    ]
    for model in models:
        model["steps"] = torch.arange(7)
    return models


def size(model: dict[str, torch.Tensor], *, integers: bool = True) -> int:
    return sum(t.numel() * t.element_size() for t in model.values() if integers or t.is_floating_point())


@dataclass
class Done:
    folder: Path
    meter: Meter
    error: RunError | None

    @property
    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted(self.folder.iterdir())}


Merging = tuple[Method, Sequence[Any]]


@pytest.fixture
def merge_together(tmp_path: Path) -> Callable[..., list[Done]]:
    """Runs merges in one scan."""
    calls = iter(range(1000))

    def call(base: Artifact, merges: Sequence[Merging], threads: int = 1, reads: Any = None, **slots: Any):
        members = []
        for method, experts in merges:
            out = tmp_path / f"together{next(calls)}"
            out.mkdir()
            ctx = Context(out, lambda kind, **fields: None, Meter(), threads=threads, reads=reads)
            pairs = tuple(e if isinstance(e, tuple) else (e, None) for e in experts)
            given = {"method": method, "rules": (), "keep": (), "dtype": None, "shard_size": None, **slots}
            members.append(Member({"base": base, "experts": pairs}, given, ctx))
        errors = run_together(members)
        return [Done(m.ctx.out, m.ctx.meter, e) for m, e in zip(members, errors, strict=True)]

    return call


@pytest.mark.parametrize("threads", [1, 4])
def test_every_method_gives_the_bytes_of_a_merge_of_its_own(
    write_model, run_merge, merge_together, threads, monkeypatch
):
    base, *experts = (write_model(f"m{k}", model) for k, model in enumerate(drawn(3)))
    weighted = list(zip(experts, (0.5, 0.2, 1.7), strict=True))
    merges = [
        (AVERAGE, experts),
        (LINEAR, weighted[::-1]),
        (arithmetic(0.3), weighted),
        (TIES, experts),
        (SCE, experts),
        (DARE, weighted),
    ]
    want = [run_merge(base, given, method).files for method, given in merges]
    monkeypatch.setattr(units, "SPAN", 100)
    monkeypatch.setattr(tiles, "WORKING_SET", 1000)
    done = merge_together(base, merges, threads=threads)
    assert [one.error for one in done] == [None] * len(merges)
    assert [one.files for one in done] == want


@pytest.mark.parametrize("threads", [1, 3])
def test_a_sweep_over_scales_reads_its_experts_once(write_model, merge_together, threads, monkeypatch):
    models = drawn(3)
    base, *experts = (write_model(f"m{k}", model) for k, model in enumerate(models))
    monkeypatch.setattr(units, "SPAN", 300)
    first, *others = merge_together(base, [(arithmetic(s), experts) for s in (0.1, 0.2, 0.5, 1.0)], threads)
    assert first.meter.expert_bytes == sum(map(size, models[1:]))
    assert [one.meter.expert_bytes for one in others] == [0, 0, 0]
    # Integers are compared once, and copied into every result.
    integers = size(models[0]) - size(models[0], integers=False)
    assert [one.meter.bytes_read for one in others] == [integers] * 3
    assert first.meter.bytes_read == first.meter.expert_bytes + size(models[0]) + 3 * integers


def test_what_prepares_a_tensor_is_read_by_each_for_itself(write_model, run_merge, merge_together):
    models = drawn(2)
    base, *experts = (write_model(f"m{k}", model) for k, model in enumerate(models))
    alone = run_merge(base, experts, TIES).meter.expert_bytes
    merged = sum(size(model, integers=False) for model in models[1:])
    one, other = merge_together(base, [(TIES, experts), (TIES, experts)])
    assert one.meter.expert_bytes == alone
    assert other.meter.expert_bytes == alone - sum(map(size, models[1:]))
    assert other.meter.expert_bytes <= merged


def test_the_base_counts_for_the_first_who_needs_it(write_model, merge_together):
    models = [{"w": torch.randn(300)} for _ in range(2)]
    base, expert = (write_model(f"m{k}", model) for k, model in enumerate(models))
    mean, sum_ = merge_together(base, [(AVERAGE, [expert]), (arithmetic(1.0), [expert])])
    assert (mean.meter.bytes_read, mean.meter.expert_bytes) == (1200, 1200)
    assert (sum_.meter.bytes_read, sum_.meter.expert_bytes) == (1200, 0)


def test_blocks_that_equal_the_base_are_read_by_nobody(write_model, run_merge, merge_together):
    models = [{"w": torch.randn(300)} for _ in range(3)]
    models[1]["w"][64:128] = models[0]["w"][64:128]
    base, *experts = (write_model(f"m{k}", model) for k, model in enumerate(models))
    zero = np.zeros((2, 5), bool)
    zero[0, 1] = True
    reads = {"w": Reads(64, ~zero, zero, np.array([[0] * 5, [1] * 5], np.int32), resting=True)}
    merges = [(arithmetic(0.5), experts), (arithmetic(2.0), experts)]
    one, other = merge_together(base, merges, reads=reads)
    assert one.meter.expert_bytes == 2 * 1200 - 64 * 4
    assert other.meter.expert_bytes == 0
    assert [one.files, other.files] == [run_merge(base, given, method).files for method, given in merges]


def test_one_that_fails_leaves_the_others_alone(write_model, run_merge, merge_together, monkeypatch):
    models = [{"a": torch.full((500,), 3e4), "b": torch.full((500,), 1.0)} for _ in range(2)]
    models[1] = {name: 2 * tensor for name, tensor in models[1].items()}
    base, expert = (write_model(f"m{k}", {n: t.half() for n, t in m.items()}) for k, m in enumerate(models))
    monkeypatch.setattr(units, "SPAN", 50)
    merges = [(arithmetic(s), [expert]) for s in (0.5, 9.0, 0.25)]
    for threads in (1, 4):
        good, bad, also_good = merge_together(base, merges, threads)
        assert "overflows F16 at flat index 0" in bad.error.what
        assert good.files == run_merge(base, [expert], merges[0][0]).files
        assert also_good.files == run_merge(base, [expert], merges[2][0]).files
    wrong = Method("linear", {"normalize": True})
    done = merge_together(base, [(wrong, [(expert, 0.0)]), merges[0]])
    assert "sum to zero" in done[0].error.what
    assert done[1].files == good.files


def test_what_is_wrong_with_an_expert_is_wrong_for_all(write_model, merge_together):
    models = drawn(2)
    models[2]["steps"] = torch.arange(7) + 1
    base, *experts = (write_model(f"m{k}", model) for k, model in enumerate(models))
    done = merge_together(base, [(arithmetic(0.5), experts), (AVERAGE, experts)])
    assert ["`steps` differs from the base's" in one.error.what for one in done] == [True, True]


OF_WEIGHTS_ALONE = sorted(
    name
    for name, cls in methods_of("merge").items()
    if not any(isinstance(want, One | Many) for want in cls.wants().values())
)


@pytest.mark.parametrize("name", OF_WEIGHTS_ALONE)
def test_plans_know_which_methods_can_share_a_scan(name):
    cls = methods_of("merge")[name]
    settings = {
        "model_stock": [{}, {"filter_wise": True}],
        "nuslerp": [{}, {"flatten": False}, {"flatten": False, "row_wise": True}],
        "sce": [{}, {"select_topk": 0.5}],
    }
    for given in settings.get(name, [{}]):
        required = {n: 0.5 for n, f in cls.model_fields.items() if f.is_required() and n not in given}
        method = cls(**required, **given)
        operator = operator_of(Method(name, dict(method)), [1.0] * (method.most or 2))
        assert method.by_range == (operator.grain == "elements")


def test_memory_grows_neither_with_experts_nor_with_members_nor_with_tensors(write_model, merge_together):
    def peak(experts: int, members: int, name: str) -> int:
        tracemalloc.reset_peak()
        chosen = [Artifact("model", models[name].path, f"{name}{k}") for k in range(experts)]
        merge_together(models[name], [(arithmetic(0.1 * m), chosen) for m in range(members)])
        return tracemalloc.get_traced_memory()[1]

    models = {
        name: write_model(name, {"w": torch.ones(size)}) for name, size in (("s", 1 << 20), ("l", 1 << 22))
    }
    tracemalloc.start()
    try:
        found = [peak(2, 2, "s"), peak(8, 2, "s"), peak(2, 6, "s"), peak(2, 2, "l")]
    finally:
        tracemalloc.stop()
    assert max(found) < 4 * tiles.WORKING_SET
