"""sce, arcee_fusion, nearswap, ram, magmax and their like: the definition on whole tensors, and edges."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fusec.runtime.kernel import Method
from fusec.runtime.kernels.merge.radix import Digits, bits_of, lower, number, upper

RAMPLUS = {"epsilon": 0.01, "r": 0.5, "alpha": 0.6}

SHAPES = {"block.weight": (37, 19), "conv.weight": (5, 3, 7), "embed.weight": (64, 33), "norm.weight": (129,)}


# --- the definitions ------------------------------------------------------------------------------


def sce(base, deltas, select_topk):
    stacked = torch.stack(deltas)
    kept = torch.ones(base.numel(), dtype=torch.bool)
    equals, share = torch.zeros_like(kept), 1.0
    if select_topk < 1:
        mean = sum(deltas) / len(deltas)
        variance = sum((d - mean) ** 2 for d in deltas).flatten()
        k = int(int((variance != 0).sum()) * select_topk)
        kept[torch.argsort(variance, descending=True, stable=True)[k:]] = False
        if k:
            equals = variance == variance[kept].min()
            share = (equals & kept).sum().double() / equals.sum()
    squares = stacked.double().reshape(len(deltas), -1) ** 2
    q = (squares * (kept & ~equals)).sum(1) + share * (squares * equals).sum(1)
    a = (q / q.sum() if q.sum() > 0 else torch.full_like(q, 1 / len(q))).float()
    chosen = stacked * kept.view_as(base)
    elected = torch.where(chosen.sum(0) >= 0, 1.0, -1.0)
    agrees = (torch.sign(chosen) == elected).float()
    a = a.view(-1, *[1] * base.dim())
    return (a * agrees * chosen).sum(0) / torch.clamp((a * agrees).sum(0), min=1e-6)


def arcee_fusion(base, deltas):
    (delta,) = deltas
    width = base.shape[-1]
    b = base.double().reshape(-1, width)
    p, q = (torch.softmax(x, -1) + 1e-8 for x in (b + delta.reshape(-1, width), b))
    divergence = torch.clamp((p * torch.log(p / q)).sum(-1, keepdim=True), min=0).float()
    importance = (delta.reshape(-1, width).abs() * divergence).flatten()
    ranked, n = importance.sort().values, importance.numel()
    first, middle, third = (ranked[int(f * (n - 1))] for f in (0.25, 0.5, 0.75))
    return delta * (importance >= middle + 1.5 * (third - first)).view_as(base)


def nearswap(base, deltas, t):
    (delta,) = deltas
    return delta * torch.clamp(t / delta.abs().clamp(min=1e-30), max=1)


def ram(base, deltas, epsilon, factors=None):
    changed = torch.stack([d.abs() > epsilon for d in deltas])
    several = changed.sum(0)
    update = torch.zeros_like(base)
    for d, mine, factor in zip(deltas, changed, factors or [1.0] * len(deltas), strict=True):
        update += torch.where(mine, d * torch.where(several == 1, factor, 1 / several.clamp(min=1)), 0.0)
    return update


def ramplus_tl(base, deltas, epsilon, r, alpha):
    changed = torch.stack([d.abs() > epsilon for d in deltas])
    several = changed.sum(0)
    factors = []
    for mine in changed:
        shared, own = int((mine & (several > 1)).sum()), int((mine & (several == 1)).sum())
        factors.append(1 + r * min(max(shared / max(own, epsilon), 0), alpha))
    return ram(base, deltas, epsilon, factors)


def magmax(base, deltas, scale):
    stacked = torch.stack(deltas)
    size = stacked.abs().max(0).values
    return scale * torch.where(stacked.max(0).values == size, size, -size)


def expo(base, deltas, alpha):
    return (1 + alpha) * sum(deltas) / len(deltas)


CASES = {
    "sce": (sce, {"select_topk": 1.0}, 3),
    "sce of some": (sce, {"select_topk": 0.3}, 3),
    "sce of few": (sce, {"select_topk": 0.05}, 2),
    "arcee_fusion": (arcee_fusion, {}, 1),
    "nearswap": (nearswap, {"t": 0.1}, 1),
    "ram": (ram, {"epsilon": 0.01}, 3),
    "ramplus_tl": (ramplus_tl, RAMPLUS, 3),
    "magmax": (magmax, {"scale": 0.7}, 3),
    "expo": (expo, {"alpha": 0.3}, 2),
}


def family(count, dtype=torch.bfloat16, seed=0):
    """A base and experts that change half of it, in few sizes, so that many elements are equal."""
    g = torch.Generator().manual_seed(seed)
    base = {n: torch.randn(s, generator=g) for n, s in SHAPES.items()}
    models = [base]
    for _ in range(count):
        steps = {n: torch.randint(-4, 5, t.shape, generator=g) / 16 for n, t in base.items()}
        models.append({n: torch.where(steps[n].abs() < 0.1, t, t + steps[n]) for n, t in base.items()})
    return [{n: t.to(dtype) for n, t in model.items()} for model in models]


@pytest.fixture
def run(write_model, run_merge):
    """Merges single tensors `w`."""
    names = (f"w{i:03}" for i in itertools.count())

    def call(name, args, base, experts):
        base, *others = (write_model(next(names), {"w": t}) for t in (base, *experts))
        return run_merge(base, others, Method(name, args)).tensors["w"]

    return call


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("case", CASES)
def test_equals_the_definition(write_model, run_merge, case, dtype):
    define, args, count = CASES[case]
    models = family(count, dtype)
    base, *experts = (write_model(f"m{i}", m) for i, m in enumerate(models))
    got = run_merge(base, experts, Method(define.__name__, args), dtype="fp32").tensors
    for tensor in SHAPES:
        b, *xs = (m[tensor].float() for m in models)
        want = b + define(b, [x - b for x in xs], **args)
        torch.testing.assert_close(got[tensor], want, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_bytes_do_not_depend_on_how_the_work_is_cut(assert_cut_is_free, case):
    define, args, count = CASES[case]
    assert_cut_is_free(family(count), Method(define.__name__, args))


@pytest.mark.parametrize("case", CASES)
def test_reads_as_planned(assert_reads_as_planned, case):
    define, args, count = CASES[case]
    assert_reads_as_planned(family(count), Method(define.__name__, args))


@pytest.mark.parametrize("case", CASES)
def test_experts_equal_to_the_base_leave_its_bits(run, case):
    define, args, count = CASES[case]
    base = torch.tensor([[-0.0, 0.0, 1.5], [-2.0, 3.0, 0.1]])
    assert torch.equal(
        run(define.__name__, args, base, [base] * count).view(torch.int32), base.view(torch.int32)
    )


BASE = torch.tensor([[1, -2, 0.5, 0], [0.25, 3, -1, 2]])
DELTAS = [
    torch.tensor([[0.4, -0.1, 0, 0.3], [-0.2, 0.05, 0.6, 0]]),
    torch.tensor([[-0.3, 0.2, 0.1, 0.1], [0.4, -0.05, 0.2, -0.7]]),
    torch.tensor([[0.05, 0.3, -0.2, 0], [0, 0.15, -0.5, 0.1]]),
]
MODELS = [BASE + d for d in DELTAS]


@pytest.mark.parametrize(
    ("name", "args", "count", "want"),
    [
        (
            "sce",
            {"select_topk": 1.0},
            3,
            [[1.2652, -1.767, 0.3, 0.18804], [0.65, 3.08852, -0.62392, 1.3]],
        ),
        ("sce", {"select_topk": 0.5}, 3, [[1.2883, -2.0, 0.5, 0.0], [0.65, 3.0, -0.632836, 1.3]]),
        ("arcee_fusion", {}, 1, [[1.4, -2.0, 0.5, 0.0], [0.25, 3.0, -1.0, 2.0]]),
        ("nearswap", {"t": 0.1}, 1, [[1.1, -2.1, 0.5, 0.1], [0.15, 3.05, -0.9, 2.0]]),
        ("ram", {"epsilon": 1e-5}, 3, [[1.05, -1.86667, 0.45, 0.2], [0.35, 3.05, -0.9, 1.7]]),
    ],
)
def test_golden_vectors(run, name, args, count, want):
    """Computed by an independent implementation in float32."""
    torch.testing.assert_close(run(name, args, BASE, MODELS[:count]), torch.tensor(want), atol=2e-5, rtol=0)


def test_sce_keeps_the_lowest_index_among_equals(run):
    base = torch.zeros(8)
    steps = torch.tensor([0.5, 1, 1, 0, 1, 1, 2, 1])
    got = run("sce", {"select_topk": 0.45}, base, [steps, 0 * steps])
    # 7 elements differ, 3 stay: the largest and the first two of the equal ones behind it.
    assert torch.equal(got, torch.tensor([0, 1.0, 1, 0, 0, 0, 2, 0]))


def test_sce_of_one_expert_is_the_base_where_it_selects(run):
    assert torch.equal(run("sce", {"select_topk": 0.5}, BASE, MODELS[:1]), BASE)
    torch.testing.assert_close(run("sce", {"select_topk": 1.0}, BASE, MODELS[:1]), MODELS[0])


def test_sce_weighs_small_changes_like_large_ones(run):
    """An absolute threshold on mean squares would count these experts alike."""
    small = run("sce", {"select_topk": 1.0}, 0 * BASE, [1e-4 * d for d in DELTAS])
    torch.testing.assert_close(small * 1e4, run("sce", {"select_topk": 1.0}, 0 * BASE, DELTAS))


def test_nearswap_with_a_large_step_is_the_expert(run):
    torch.testing.assert_close(run("nearswap", {"t": 1.0}, BASE, MODELS[:1]), MODELS[0])


def test_ramplus_counts_changes_of_one_alone_more(run):
    x = torch.tensor([1.0, 1, 1, 0])
    y = torch.tensor([0.0, 0, 1, 1])
    got = run("ramplus_tl", {"epsilon": 1e-5, "r": 0.1, "alpha": 0.8}, 0 * x, [x, y])
    # x changes two elements alone and one with y: 1 + 0.1 * 1/2; y one and one: 1 + 0.1 * 0.8.
    torch.testing.assert_close(got, torch.tensor([1.05, 1.05, 1, 1.08]))


def test_magmax_of_opposite_changes_is_the_positive_one(run):
    x = torch.tensor([1.0, -1, 0.5])
    for experts in itertools.permutations([x, -x]):
        assert torch.equal(run("magmax", {"scale": 1.0}, 0 * x, experts), x.abs())


@given(
    values=hnp.arrays(
        np.float32, st.integers(1, 60), elements=st.sampled_from([0.0, 1e-42, 0.25, 0.2500001, 0.5, 3.0])
    ),
    data=st.data(),
)
def test_the_two_looks_find_every_rank(values, data):
    rank = data.draw(st.integers(1, values.size))
    bits = bits_of(values)
    coarse, fine = Digits(), Digits()
    coarse.add(upper(bits))
    top = coarse.place(rank)
    fine.add(lower(bits[upper(bits) == top.digit]))
    bottom = fine.place(top.rank)
    found = number(top.digit, bottom.digit)
    assert found == np.sort(values)[::-1][rank - 1]
    assert bottom.equals == np.count_nonzero(values == found)
    assert rank - bottom.rank == np.count_nonzero(values > found)
