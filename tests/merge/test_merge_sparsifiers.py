"""Methods that drop changes give what their definitions say, computed one whole tensor after the other."""

import math

import numpy as np
import pytest
import torch

from fusec.runtime.kernel import Method
from fusec.runtime.kernels.merge import histograms, rescale, selection, units
from fusec.runtime.kernels.merge.random import ONE, stream

WEIGHTS = (0.5, 0.3, 0.9)
SHAPES = {"embed": (64, 33), "mlp": (37, 19), "conv": (5, 3, 7), "norm": (129,), "column": (40, 1)}

ADDS = {"scale": 0.7, "normalize": False}
ELECTS = {"scale": 0.9, "normalize": True}
METHODS = [
    Method("ties", {"density": (0.5, 0.25, 0.75), "rescale": "none", **ELECTS}),
    Method("ties", {"density": 0.4, "rescale": "l1", **ELECTS}),
    Method("breadcrumbs", {"density": 0.5, "gamma": 0.1, "rescale": "none", **ADDS}),
    Method("breadcrumbs", {"density": (0.95, 0.5, 0.2), "gamma": 0.2, "rescale": "l1", **ADDS}),
    Method("breadcrumbs_ties", {"density": 0.5, "gamma": 0.1, "rescale": "none", **ELECTS}),
    Method("dare_linear", {"density": 0.5, "rescale": "l1", "seed": 0, **ADDS}),
    Method("dare_linear", {"density": (0.2, 0.9, 0.5), "rescale": "inverse_p", "seed": 3, **ADDS}),
    Method("dare_linear", {"density": 0.5, "rescale": "none", "seed": 0, "scale": 1.0, "normalize": True}),
    Method("dare_ties", {"density": 0.5, "rescale": "inverse_p", "seed": 0, **ELECTS}),
    Method("dare_ties", {"density": 0.5, "rescale": "l1", "seed": 1, "scale": 1.0, "normalize": False}),
    Method("della", {"density": 0.5, "epsilon": 0.2, "rescale": "l1", "seed": 0, **ELECTS}),
    Method("della", {"density": (0.5, 0.3, 0.6), "epsilon": 0.2, "rescale": "none", "seed": 4, **ELECTS}),
    Method("della_linear", {"density": 0.4, "epsilon": 0.1, "rescale": "l1", "seed": 0, **ADDS}),
]
NAMES = [f"{m.name}-{m['rescale']}-{n}" for n, m in enumerate(METHODS)]


@pytest.fixture(params=METHODS, ids=NAMES)
def method(request):
    return request.param


def family(count=3, seed=0, dtype=torch.bfloat16):
    """A base and experts with many equal changes and many zeros among them."""
    g = torch.Generator().manual_seed(seed)
    base = {n: torch.randn(s, generator=g) for n, s in SHAPES.items()}
    models = [base]
    for _ in range(count):
        models.append({n: t + torch.randint(-4, 5, t.shape, generator=g) * 0.0625 for n, t in base.items()})
    return [{n: t.to(dtype) for n, t in model.items()} for model in models]


def density(method, i):
    return method["density"][i] if isinstance(method["density"], tuple) else method["density"]


def stays(method, i, name, delta):
    """Which changes of expert `i` stay, a flag for each."""
    flat, p, n = delta.flatten(), density(method, i), delta.numel()
    falling = torch.argsort(flat.abs(), descending=True, stable=True)
    flags = torch.zeros(n, dtype=torch.bool)
    match method.name.split("_")[0]:
        case "ties":
            flags[falling[: max(1, int(p * n))]] = True
        case "breadcrumbs":
            bottom = max(0, n - int(p * n) - int(method["gamma"] * n))
            flags[falling[n - bottom - int(p * n) : n - bottom]] = True
        case "dare":
            flags = draws(method, i, name, n) < p
        case "della":
            flags = ranked(flat.view(-1, delta.shape[-1]), p, method, draws(method, i, name, n))
    return flags.view(delta.shape)


def draws(method, i, name, n):
    lanes = stream(method["seed"], name, f"m{i + 1}#0").lanes(0, n)
    return torch.from_numpy(lanes.astype(np.float64)) / ONE


def ranked(rows, p, method, draws):
    """MAGPRUNE row by row; for equals the lowest bit of the draw picks the least or the greatest rank."""
    epsilon, columns = method["epsilon"], rows.shape[1]
    flags = []
    for element, u in enumerate(draws.tolist()):
        row, column = divmod(element, columns)
        sizes = rows[row].abs()
        least = int((sizes < sizes[column]).sum())
        greatest = int((sizes <= sizes[column]).sum()) - 1
        k = greatest if int(u * ONE) % 2 else least
        flags.append(u < (p - epsilon + 2 * epsilon * k / (columns - 1) if columns > 1 else p))
    return torch.tensor(flags)


def reference(method, name, base, experts, weights):
    b = base.float()
    values = []
    for i, (x, w) in enumerate(zip(experts, weights, strict=True)):
        d = x.float() - b
        kept = d * stays(method, i, name, d)
        factor = 1 / density(method, i) if method["rescale"] == "inverse_p" else 1.0
        if method["rescale"] == "l1" and kept.any():
            factor = math.fsum(d.double().abs().flatten()) / math.fsum(kept.double().abs().flatten())
        values.append(kept * np.float32(w * factor))
    total = sum(values)
    if method.name in ("dare_linear", "della_linear", "breadcrumbs"):
        update = total / np.float32(math.fsum(weights)) if method["normalize"] else total
    else:
        elected = torch.where(total >= 0, 1.0, -1.0)
        agree = [torch.sign(v) == elected for v in values]
        update = sum(torch.where(a, v, 0.0) for a, v in zip(agree, values, strict=True))
        q = sum(torch.where(a, torch.tensor(w), 0.0) for a, w in zip(agree, weights, strict=True))
        update = update / torch.where(q == 0, 1.0, q) if method["normalize"] else update
    update = update * np.float32(method["scale"])
    return torch.where(update == 0, b, b + update).to(base.dtype)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=str)
def test_equals_the_definition(write_model, run_merge, method, dtype):
    models = family(dtype=dtype)
    base, *experts = (write_model(f"m{i}", m) for i, m in enumerate(models))
    got = run_merge(base, list(zip(experts, WEIGHTS, strict=True)), method).tensors
    for name in SHAPES:
        want = reference(method, name, models[0][name], [m[name] for m in models[1:]], WEIGHTS)
        torch.testing.assert_close(got[name], want, atol=0, rtol=2e-7 if dtype == torch.float32 else 0)


def test_bytes_do_not_depend_on_tiles_threads_shards_or_expert_order(assert_cut_is_free, method):
    """One density for all: a list of them goes with the order, see below."""
    assert_cut_is_free(family(), Method(method.name, {**method.args, "density": 0.45}), WEIGHTS)


def test_tensors_above_the_limits_of_what_is_held_are_no_different(
    write_model, run_merge, monkeypatch, method
):
    """Parts are then looked at by all threads that have the tensor in hand, and thresholds sampled for."""
    base, *experts = (write_model(f"m{i}", m) for i, m in enumerate(family()))
    want = run_merge(base, experts, method).files
    for name, value in {"HELD": 40, "PIECE": 4, "PIECES": 3, "APART": 100}.items():
        monkeypatch.setattr(selection, name, value)
    monkeypatch.setattr(histograms, "PART", 50)
    monkeypatch.setattr(units, "SPAN", 100)
    assert run_merge(base, experts, method, threads=4).files == want


def test_masks_that_are_not_remembered_are_drawn_again(write_model, run_merge, monkeypatch, method):
    base, *experts = (write_model(f"m{i}", m) for i, m in enumerate(family()))
    want = run_merge(base, experts, method).files
    monkeypatch.setattr(rescale, "REMEMBERED", 0)
    assert run_merge(base, experts, method).files == want


def test_sums_of_several_parts_do_not_depend_on_threads(write_model, run_merge, monkeypatch, method):
    monkeypatch.setattr(rescale, "CHUNK", 16)
    monkeypatch.setattr(rescale, "PART", 64)
    monkeypatch.setattr(units, "SPAN", 100)
    base, *experts = (write_model(f"m{i}", m) for i, m in enumerate(family()))
    one, four = (run_merge(base, experts, method, threads=threads).files for threads in (1, 4))
    assert one == four


def test_a_density_for_each_goes_with_its_expert(write_model, run_merge):
    base, *experts = (write_model(f"m{i}", m) for i, m in enumerate(family()))
    method = METHODS[0]
    turned = Method("ties", {**method.args, "density": (0.75, 0.5, 0.25)})
    assert run_merge(base, experts, method).files == run_merge(base, [experts[2], *experts[:2]], turned).files


def test_reads_what_is_planned(assert_reads_as_planned, method):
    assert_reads_as_planned(family(), method)


def test_density_one_drops_nothing_and_reads_once(write_model, run_merge, assert_reads_as_planned, method):
    whole = Method(method.name, {**method.args, "density": 1.0})
    base, *experts = (write_model(f"m{i}", m) for i, m in enumerate(family()))
    plain = Method("ties", {"density": 1.0, "scale": method["scale"], "normalize": method["normalize"]})
    if method.name in ("dare_linear", "della_linear", "breadcrumbs"):
        plain = Method("task_arithmetic", {name: method[name] for name in ("scale", "normalize")})
    assert run_merge(base, experts, whole).files == run_merge(base, experts, plain).files
    assert_reads_as_planned(family(), whole)


def test_experts_equal_to_the_base_leave_its_bytes(write_model, run_merge, method):
    tensors = {"w": torch.tensor([[-0.0, 0.0, 1.5, -2.0]], dtype=torch.bfloat16)}
    base, *experts = (write_model(n, tensors) for n in ("base", "x", "y", "z"))
    got = run_merge(base, [(expert, -1.0) for expert in experts], method)
    assert got.files["model.safetensors"] == (base.path / "model.safetensors").read_bytes()


def test_one_expert(write_model, run_merge):
    """With `normalize` its weight cancels, with its sign."""
    base, x = family(1)
    method = Method("ties", {"density": 1.0, "scale": 1.0, "normalize": True})
    got = run_merge(write_model("b", base), [(write_model("x", x), -0.7)], method).tensors
    for name in SHAPES:
        torch.testing.assert_close(got[name], x[name])


@pytest.mark.parametrize("name", ["dare_linear", "della_linear"])
def test_the_kept_share_is_the_density(write_model, run_merge, name):
    """Changes of one size, so that ranks are all equal and every element stays with the same probability."""
    n, p = 1 << 16, 0.3
    base = write_model("b", {"w": torch.zeros(64, n // 64)})
    x, y = (write_model(name, {"w": torch.ones(64, n // 64)}) for name in "xy")
    epsilon = {"epsilon": 0.2} if name == "della_linear" else {}
    method = Method(
        name, {"density": p, "rescale": "none", "seed": 5, **epsilon, "scale": 1.0, "normalize": False}
    )
    of_x, of_y = (run_merge(base, [expert], method).tensors["w"] for expert in (x, y))
    five_deviations = 5 * (n * p * (1 - p)) ** 0.5
    assert abs(int(of_x.sum()) - n * p) < five_deviations
    assert abs(int(of_y.sum()) - n * p) < five_deviations
    both = n * p * p
    assert abs(int((of_x * of_y).sum()) - both) < 5 * both**0.5


def test_della_keeps_large_changes_more_often(write_model, run_merge):
    columns, rows, p, epsilon = 64, 4096, 0.5, 0.3
    rising = torch.arange(1, columns + 1).float().repeat(rows, 1)
    base, x = write_model("b", {"w": torch.zeros(rows, columns)}), write_model("x", {"w": rising})
    method = Method(
        "della_linear",
        {"density": p, "epsilon": epsilon, "rescale": "none", "seed": 0, "scale": 1.0, "normalize": False},
    )
    kept = (run_merge(base, [x], method).tensors["w"] != 0).double().mean(0)
    want = p - epsilon + 2 * epsilon * torch.arange(columns).double() / (columns - 1)
    assert (kept - want).abs().max() < 5 * (0.25 / rows) ** 0.5


@pytest.mark.parametrize("name", ["dare_linear", "della_linear", "breadcrumbs"])
def test_l1_keeps_the_sum_of_sizes(write_model, run_merge, name):
    base, x = family(1, dtype=torch.float32)
    more = {
        "dare_linear": {"seed": 0},
        "della_linear": {"seed": 0, "epsilon": 0.1},
        "breadcrumbs": {"gamma": 0.1},
    }
    args = {"density": 0.5, "rescale": "l1", "scale": 1.0, "normalize": False, **more[name]}
    zero = {n: torch.zeros_like(t) for n, t in base.items()}
    got = run_merge(write_model("b", zero), [write_model("x", x)], Method(name, args)).tensors
    for n in SHAPES:
        torch.testing.assert_close(got[n].abs().sum(), x[n].abs().sum(), rtol=1e-5, atol=0)


def test_another_seed_draws_other_masks(write_model, run_merge):
    base, *experts = (write_model(f"m{i}", m) for i, m in enumerate(family()))
    args = {"density": 0.5, "rescale": "none", **ADDS}
    first, again, other = (
        run_merge(base, experts, Method("dare_linear", {**args, "seed": s})) for s in (0, 0, 1)
    )
    assert first.files == again.files != other.files
