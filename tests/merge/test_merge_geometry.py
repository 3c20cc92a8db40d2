"""slerp, nuslerp, multislerp, karcher and model_stock: the definition on whole float64 vectors, and edges."""

import itertools
import math

import pytest
import torch

from fusec.runtime.kernel import Method, RunError

WEIGHTS = (0.5, 0.3, 0.9)
NUSLERP = {"flatten": True, "row_wise": False, "of": "deltas"}
MULTISLERP = {"normalize": True, "eps": 1e-8, "of": "deltas"}
KARCHER = {"max_iter": 10, "tol": 1e-5}

SHAPES = {"block.weight": (37, 19), "conv.weight": (5, 3, 7), "embed.weight": (64, 33), "norm.weight": (129,)}


# --- the definitions, one vector after the other ------------------------------------------------


def arc(a, b, t, straight):
    c = torch.clamp(a @ b / (a.norm() * b.norm()), -1, 1)
    if straight(c):
        return (1 - t) * a + t * b
    angle = torch.acos(c)
    return (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / torch.sin(angle)


def slerp(base, experts, weights, t):
    return arc(base, experts[0], t, lambda c: abs(c) > 0.9995)


def nuslerp(base, experts, weights, of):
    a, b = experts if of == "weights" else [x - base for x in experts]
    point = arc(a, b, weights[1] / sum(weights), lambda c: 1 - c * c <= 1e-16)
    return point if of == "weights" else base + point


def multislerp(base, experts, weights, normalize, eps, of):
    xs = experts if of == "weights" else [x - base for x in experts]
    ws = [w / sum(weights) for w in weights] if normalize else weights
    us = [x / x.norm() for x in xs]
    m = sum(w * u for w, u in zip(ws, us, strict=True))
    m = m / m.norm()
    g = sum(w * (u - (u @ m) * m) for w, u in zip(ws, us, strict=True))
    angle = g.norm() + eps
    size = sum(w * x.norm() for w, x in zip(ws, xs, strict=True))
    point = size * (torch.cos(angle) * m + torch.sin(angle) / angle * g)
    return point if of == "weights" else base + point


def karcher(base, experts, weights, max_iter, tol):
    us = [x / x.norm() for x in experts]
    m = sum(us)
    m = m / m.norm()
    for _ in range(max_iter):
        g = torch.zeros_like(m)
        for u in us:
            angle = torch.acos(torch.clamp(m @ u, -1, 1))
            if angle >= tol:
                g += angle / torch.sin(angle) * (u - (m @ u) * m) / len(us)
        if g.norm() < tol:
            break
        m = torch.cos(g.norm()) * m + torch.sin(g.norm()) * g / g.norm()
        m = m / m.norm()
    return sum(x.norm() for x in experts) / len(experts) * m


def model_stock(base, experts, weights):
    deltas = [x - base for x in experts]
    cosines = [a @ b / (a.norm() * b.norm()) for a, b in itertools.combinations(deltas, 2)]
    c, k = sum(cosines) / len(cosines), len(experts)
    return base + k * c / (1 + (k - 1) * c) * sum(deltas) / k


def by_rows(merge, base, experts, weights, **args):
    """The definition row by row; a tensor of one axis is one row."""
    width = base.shape[-1]
    rows = zip(*(x.reshape(-1, width) for x in (base, *experts)), strict=True)
    return torch.stack([merge(b, xs, weights, **args) for b, *xs in rows]).reshape(base.shape)


def by_columns(merge, base, experts, weights, **args):
    """The definition along the first axis, for each place behind it."""
    flat = [x.reshape(len(x), -1).T.contiguous() for x in (base, *experts)]
    if base.dim() == 1:
        return merge(base, experts, weights, **args)
    return by_rows(merge, flat[0], flat[1:], weights, **args).T.reshape(base.shape)


def by_tensor(merge, base, experts, weights, **args):
    flat = [x.reshape(-1) for x in (base, *experts)]
    return merge(flat[0], flat[1:], weights, **args).reshape(base.shape)


CASES = {
    "slerp": ("slerp", {"t": 0.3}, 1, by_tensor, slerp, {"t": 0.3}),
    "nuslerp": ("nuslerp", NUSLERP, 2, by_tensor, nuslerp, {"of": "deltas"}),
    "nuslerp of weights": (
        "nuslerp",
        {**NUSLERP, "of": "weights"},
        2,
        by_tensor,
        nuslerp,
        {"of": "weights"},
    ),
    "nuslerp by rows": ("nuslerp", {**NUSLERP, "flatten": False}, 2, by_rows, nuslerp, {"of": "deltas"}),
    "nuslerp by columns": (
        "nuslerp",
        {**NUSLERP, "flatten": False, "row_wise": True},
        2,
        by_columns,
        nuslerp,
        {"of": "deltas"},
    ),
    "multislerp": ("multislerp", MULTISLERP, 3, by_tensor, multislerp, MULTISLERP),
    "multislerp unnormalized": (
        "multislerp",
        {**MULTISLERP, "normalize": False},
        3,
        by_tensor,
        multislerp,
        {**MULTISLERP, "normalize": False},
    ),
    "multislerp of weights": (
        "multislerp",
        {**MULTISLERP, "of": "weights"},
        3,
        by_tensor,
        multislerp,
        {**MULTISLERP, "of": "weights"},
    ),
    "karcher": ("karcher", KARCHER, 3, by_tensor, karcher, KARCHER),
    "model_stock": ("model_stock", {"filter_wise": False}, 3, by_tensor, model_stock, {}),
    "model_stock by rows": ("model_stock", {"filter_wise": True}, 3, by_rows, model_stock, {}),
}


def family(count, step=0.5, dtype=torch.float32, seed=0):
    """A base and experts at a distance of `step`: 0.5 is far apart, 1e-4 nearly parallel."""
    g = torch.Generator().manual_seed(seed)
    base = {n: torch.randn(s, generator=g) for n, s in SHAPES.items()}
    experts = [
        {n: t + step * torch.randn(t.shape, generator=g) for n, t in base.items()} for _ in range(count)
    ]
    return [{n: t.to(dtype) for n, t in model.items()} for model in (base, *experts)]


@pytest.fixture
def run(write_model, run_merge):
    """Merges single tensors `w`."""
    names = (f"w{i:03}" for i in itertools.count())

    def call(name, args, base, experts, weights=None):
        artifacts = [write_model(next(names), {"w": t}) for t in (base, *experts)]
        given = artifacts[1:] if weights is None else list(zip(artifacts[1:], weights, strict=True))
        return run_merge(artifacts[0], given, Method(name, args)).tensors["w"]

    return call


@pytest.mark.parametrize("step", [0.5, 1e-4])
@pytest.mark.parametrize("case", CASES)
def test_equals_the_definition(write_model, run_merge, case, step):
    name, args, count, split, define, words = CASES[case]
    models = family(count, step)
    base, *experts = (write_model(f"m{i}", m) for i, m in enumerate(models))
    weights = WEIGHTS[:count]
    pairs = list(zip(experts, weights, strict=True))
    got = run_merge(base, pairs, Method(name, args)).tensors
    for tensor in SHAPES:
        b, *xs = (m[tensor].double() for m in models)
        want = split(define, b, xs, weights, **words)
        torch.testing.assert_close(got[tensor].double(), want, atol=2e-6, rtol=2e-6)


@pytest.mark.parametrize("case", CASES)
def test_bytes_do_not_depend_on_how_the_work_is_cut(assert_cut_is_free, case):
    name, args, count, *_ = CASES[case]
    assert_cut_is_free(family(count, dtype=torch.bfloat16), Method(name, args), WEIGHTS[:count])


@pytest.mark.parametrize("case", CASES)
def test_reads_as_planned(assert_reads_as_planned, case):
    name, args, count, *_ = CASES[case]
    assert_reads_as_planned(family(count, dtype=torch.bfloat16), Method(name, args))


BASE = torch.tensor([[1, -2, 0.5, 0], [0.25, 3, -1, 2]])
DELTAS = [
    torch.tensor([[0.4, -0.1, 0, 0.3], [-0.2, 0.05, 0.6, 0]]),
    torch.tensor([[-0.3, 0.2, 0.1, 0.1], [0.4, -0.05, 0.2, -0.7]]),
    torch.tensor([[0.05, 0.3, -0.2, 0], [0, 0.15, -0.5, 0.1]]),
]
MODELS = [BASE + d for d in DELTAS]
ROWS = [[-0.0629937, 0.165843, 0.120076, 0.343001], [0.256207, -0.0208665, 0.440564, -0.604592]]


@pytest.mark.parametrize(
    ("name", "args", "base", "experts", "weights", "want"),
    [
        (
            "slerp",
            {"t": 0.3},
            BASE,
            MODELS[:1],
            None,
            [[1.1241, -2.03714, 0.501748, 0.0904546], [0.190571, 3.02556, -0.822586, 2.00699]],
        ),
        (
            "slerp",
            {"t": 0.3},
            DELTAS[0],
            DELTAS[1:2],
            None,
            [[0.225054, 0.00399277, 0.0482049, 0.325456], [0.00798555, 0.0221061, 0.650913, -0.337435]],
        ),
        (
            "nuslerp",
            NUSLERP,
            BASE,
            MODELS[:2],
            (0.4, 0.9),
            [[0.921617, -1.86552, 0.591904, 0.2399], [0.518951, 2.97871, -0.5202, 1.35667]],
        ),
        ("nuslerp", {**NUSLERP, "flatten": False}, 0 * BASE, DELTAS[:2], (0.4, 0.9), ROWS),
        ("nuslerp", {**NUSLERP, "flatten": False, "of": "weights"}, BASE, DELTAS[:2], (0.4, 0.9), ROWS),
        (
            "multislerp",
            MULTISLERP,
            BASE,
            MODELS,
            WEIGHTS,
            [[1.23749, -1.5381, 0.23062, 0.23689], [0.2586, 3.24449, -1.28888, 1.90274]],
        ),
        (
            "karcher",
            KARCHER,
            BASE,
            DELTAS,
            None,
            [[0.215431, 0.434377, -0.174804, 0.363021], [0.114898, 0.19798, 0.0978272, -0.409725]],
        ),
        (
            "model_stock",
            {"filter_wise": False},
            BASE,
            MODELS,
            None,
            [[0.876986, -2.32804, 0.582009, -0.328037], [0.0859815, 2.87699, -1.24603, 2.49206]],
        ),
        (
            "model_stock",
            {"filter_wise": True},
            BASE,
            MODELS,
            None,
            [[0.96951, -2.08131, 0.520327, -0.0813076], [-0.146209, 2.70284, -1.59431, 3.18863]],
        ),
    ],
)
def test_golden_vectors(run, name, args, base, experts, weights, want):
    """Computed by an independent implementation in float32."""
    torch.testing.assert_close(run(name, args, base, experts, weights), torch.tensor(want), atol=2e-5, rtol=0)


def test_slerp_ends_at_its_ends(run):
    assert torch.equal(run("slerp", {"t": 0.0}, BASE, MODELS[:1]), BASE)
    torch.testing.assert_close(run("slerp", {"t": 1.0}, BASE, MODELS[:1]), MODELS[0])


def test_slerp_of_nearly_parallel_models_is_the_line_between_them(run):
    near = BASE + 1e-3 * DELTAS[0]
    torch.testing.assert_close(run("slerp", {"t": 0.25}, BASE, [near]), BASE + 0.25 * (near - BASE))


@pytest.mark.parametrize("case", [case for case in CASES if CASES[case][2] > 1])
def test_experts_equal_to_each_other(run, case):
    """All of these are means, so nothing but rounding may happen; model_stock then trusts them wholly."""
    name, args, count, *_ = CASES[case]
    weights = [1 / count] * count
    got = run(name, args, BASE, [MODELS[0]] * count, weights)
    torch.testing.assert_close(got, MODELS[0])


@pytest.mark.parametrize("case", CASES)
def test_experts_equal_to_the_base(run, case):
    name, args, count, *_ = CASES[case]
    got = run(name, args, BASE, [BASE] * count, [1 / count] * count)
    torch.testing.assert_close(got, BASE, atol=0, rtol=1e-6)
    if args.get("of") != "weights" and name != "karcher":
        assert torch.equal(got, BASE)


def test_nuslerp_takes_an_unchanged_expert_for_orthogonal(run):
    got = run("nuslerp", NUSLERP, BASE, [MODELS[0], BASE], (1.0, 1.0))
    torch.testing.assert_close(got, BASE + math.sqrt(0.5) * DELTAS[0])


def test_multislerp_ignores_an_unchanged_expert_but_for_its_weight(run):
    got = run("multislerp", MULTISLERP, BASE, [MODELS[0], BASE], (1.0, 1.0))
    torch.testing.assert_close(got, BASE + 0.5 * DELTAS[0])


def test_multislerp_of_opposite_changes_is_their_sum_for_two_and_the_base_for_more(run):
    ones = torch.ones(2, 4)
    got = run("multislerp", MULTISLERP, 0 * ones, [ones, -3 * ones], (1.0, 1.0))
    torch.testing.assert_close(got, -ones)
    four = [ones, -3 * ones, 2 * ones, -ones]
    assert torch.equal(run("multislerp", MULTISLERP, ones, [ones + x for x in four]), ones)


def test_multislerp_of_one_expert_is_scaled_by_its_weight(run):
    got = run("multislerp", {**MULTISLERP, "normalize": False}, BASE, MODELS[:1], (0.5,))
    torch.testing.assert_close(got, BASE + 0.5 * DELTAS[0])


@pytest.mark.parametrize("size", [1.0, 1e-6])
def test_multislerp_does_not_depend_on_the_size_of_changes(run, size):
    changes = [size * delta for delta in DELTAS]
    got = run("multislerp", MULTISLERP, 0 * BASE, changes, WEIGHTS)
    want = by_tensor(multislerp, 0 * BASE.double(), [d.double() for d in changes], WEIGHTS, **MULTISLERP)
    torch.testing.assert_close(got.double(), want, atol=0, rtol=1e-5)


def test_karcher_leaves_a_zero_expert_out_of_the_direction(run):
    got = run("karcher", KARCHER, BASE, [DELTAS[0], 0 * BASE])
    torch.testing.assert_close(got, 0.5 * DELTAS[0], atol=1e-6, rtol=0)


def test_karcher_of_opposite_experts_is_one_of_them(run):
    got = run("karcher", KARCHER, BASE, [DELTAS[0], -DELTAS[0]])
    torch.testing.assert_close(got.abs(), DELTAS[0].abs(), atol=1e-6, rtol=0)


def test_karcher_of_zeros_is_zero(run):
    assert torch.equal(run("karcher", KARCHER, BASE, [0 * BASE, 0 * BASE]), 0 * BASE)


def test_model_stock_stays_at_the_base_beside_an_unchanged_expert(run):
    assert torch.equal(run("model_stock", {"filter_wise": False}, BASE, [MODELS[0], BASE]), BASE)


@pytest.mark.parametrize(("name", "args"), [("nuslerp", NUSLERP), ("multislerp", MULTISLERP)])
def test_weights_that_cancel_are_refused(run, name, args):
    with pytest.raises(RunError, match="sum to zero"):
        run(name, args, BASE, MODELS[:2], (0.5, -0.5))
