"""Every method gives the bits of a plain whole-tensor computation, however the work is cut up."""

import itertools
import math

import pytest
import torch

from fusec.runtime.kernel import Artifact, Method
from fusec.runtime.kernels.merge import tiles, units

TIES = Method("ties", {"density": 0.3, "scale": 0.9, "normalize": True})
WEIGHTS = (0.5, 0.3, 0.9)

SHAPES = {
    "block.0.weight": (37, 19),
    "block.1.weight": (5, 3, 7),
    "embed.weight": (64, 33),
    "norm.bias": (1,),
    "norm.weight": (129,),
    "scalar": (),
    "void": (0, 4),
}
SHARDED = [
    ["embed.weight", "scalar"],
    ["block.0.weight", "norm.bias", "void"],
    ["block.1.weight", "norm.weight"],
]

# One dtype per input, base first; the last family mixes them.
FAMILIES = {
    "bf16": [torch.bfloat16] * 4,
    "fp16": [torch.float16] * 4,
    "fp32": [torch.float32] * 4,
    "mixed": [torch.bfloat16, torch.float32, torch.float16, torch.bfloat16],
}


def reference(
    method: Method, base: torch.Tensor, experts: list[torch.Tensor], weights: list[float]
) -> torch.Tensor:
    """The definition, one whole float32 tensor after the other."""
    xs = [e.float() for e in experts]
    if method.name == "average":
        total = xs[0].clone()
        for x in xs[1:]:
            total += x
        return (total / len(xs)).to(base.dtype)
    if method.name == "linear":
        total = xs[0] * weights[0]
        for x, w in zip(xs[1:], weights[1:], strict=True):
            total = total + x * w
        return (total / torch.tensor(math.fsum(weights))).to(base.dtype)
    b = base.float()
    deltas = [x - b for x in xs]
    if method.name == "ties":
        update = reference_ties(deltas, weights, method["density"], method["normalize"])
    else:
        update = deltas[0] * weights[0]
        for d, w in zip(deltas[1:], weights[1:], strict=True):
            update = update + d * w
    update = update * method["scale"]
    return torch.where(update == 0, b, b + update).to(base.dtype)


def reference_ties(
    deltas: list[torch.Tensor], weights: list[float], density: float, normalize: bool
) -> torch.Tensor:
    values = [reference_trim(d, density) * w for d, w in zip(deltas, weights, strict=True)]
    vote = values[0].clone()
    for v in values[1:]:
        vote = vote + v
    elected = torch.where(vote >= 0, 1.0, -1.0)
    total, divisor = torch.zeros_like(vote), torch.zeros_like(vote)
    for v, w in zip(values, weights, strict=True):
        agrees = torch.sign(v) == elected
        total = total + torch.where(agrees, v, 0.0)
        divisor = divisor + torch.where(agrees, torch.tensor(w), 0.0)
    return total / torch.where(divisor == 0, 1.0, divisor) if normalize else total


def reference_trim(delta: torch.Tensor, density: float) -> torch.Tensor:
    flat = delta.flatten()
    k = max(1, int(density * flat.numel()))
    kept = torch.argsort(flat.abs(), descending=True, stable=True)[:k]
    trimmed = torch.zeros_like(flat)
    trimmed[kept] = flat[kept]
    return trimmed.view_as(delta)


def family(dtypes, seed=0):
    """Tensors of a base and its experts: some unchanged elements, zeros of both signs, many equal changes."""
    g = torch.Generator().manual_seed(seed)
    base = {n: torch.randn(s, generator=g) for n, s in SHAPES.items()}
    base = {n: torch.where(torch.rand(t.shape, generator=g) < 0.1, -0.0, t) for n, t in base.items()}
    models = [base]
    for _ in dtypes[1:]:
        step = {n: torch.randint(-2, 3, t.shape, generator=g) * 0.0625 for n, t in base.items()}
        models.append({n: torch.where(step[n] == 0, t, t + step[n]) for n, t in base.items()})
    return [{n: t.to(dtype) for n, t in m.items()} for m, dtype in zip(models, dtypes, strict=True)]


def bits(t: torch.Tensor) -> bytes:
    return t.contiguous().flatten().view(torch.uint8).numpy().tobytes() if t.numel() else b""


def assert_same_bits(got, want):
    assert got.keys() == want.keys()
    for name in want:
        assert (got[name].dtype, got[name].shape) == (want[name].dtype, want[name].shape), name
        assert bits(got[name]) == bits(want[name]), name


def weighted(method: Method, experts: list[Artifact]):
    return experts if method.name == "average" else list(zip(experts, WEIGHTS, strict=True))


@pytest.mark.parametrize("dtypes", FAMILIES.values(), ids=FAMILIES)
def test_equals_the_whole_tensor_reference(write_model, run_merge, method, dtypes):
    models = family(dtypes)
    artifacts = [write_model(f"m{i}", m, SHARDED) for i, m in enumerate(models)]
    want = {n: reference(method, models[0][n], [m[n] for m in models[1:]], list(WEIGHTS)) for n in SHAPES}
    got = run_merge(artifacts[0], weighted(method, artifacts[1:]), method)
    assert_same_bits(got.tensors, want)


@pytest.mark.parametrize("working_set", [200, 3000, 1 << 20])
@pytest.mark.parametrize("threads", [1, 4])
def test_bytes_do_not_depend_on_tiles_threads_shards_or_expert_order(
    write_model, run_merge, monkeypatch, method, working_set, threads
):
    models = family(FAMILIES["bf16"])
    whole = [write_model(f"m{i}", m) for i, m in enumerate(models)]
    want = run_merge(whole[0], weighted(method, whole[1:]), method).files
    sharded = [
        Artifact("model", write_model(f"s{i}", m, SHARDED).path, f"m{i}") for i, m in enumerate(models)
    ]
    monkeypatch.setattr(tiles, "WORKING_SET", working_set)
    monkeypatch.setattr(units, "SPAN", 100)
    for experts in itertools.islice(itertools.permutations(weighted(method, sharded[1:])), 1, 6, 2):
        assert run_merge(sharded[0], experts, method, threads=threads).files == want


def test_nine_experts_are_trimmed_in_two_groups(write_model, run_merge):
    """Thresholds are found for eight at a time."""
    models = family([torch.bfloat16] * 10)
    base, *experts = (write_model(f"m{i}", m) for i, m in enumerate(models))
    got = run_merge(base, experts, TIES)
    want = {n: reference(TIES, models[0][n], [m[n] for m in models[1:]], [1.0] * 9) for n in SHAPES}
    assert_same_bits(got.tensors, want)


def test_one_expert(write_model, run_merge, method):
    base, expert = family(FAMILIES["bf16"][:2])
    got = run_merge(write_model("base", base), [write_model("expert", expert)], method).tensors
    assert_same_bits(got, {n: reference(method, base[n], [expert[n]], [1.0]) for n in SHAPES})


@pytest.mark.parametrize(("name", "more"), [("task_arithmetic", {}), ("ties", {"density": 0.5})])
def test_experts_equal_to_the_base_leave_its_bytes(write_model, run_merge, name, more):
    """Also a base of -0.0, which an addition of 0.0 would change."""
    tensors = {"w": torch.tensor([-0.0, 0.0, 1.5, -2.0], dtype=torch.bfloat16)}
    method = Method(name, {"scale": -1.0, "normalize": False, **more})
    base, *experts = (write_model(n, tensors) for n in ("base", "x", "y"))
    assert_same_bits(run_merge(base, [(experts[0], 2.0), (experts[1], -1.0)], method).tensors, tensors)


def test_output_dtype_is_rounded_once_from_float32(write_model, run_merge):
    models = family(FAMILIES["bf16"])
    base, *experts = (write_model(f"m{i}", m) for i, m in enumerate(models))
    got = run_merge(base, experts, Method("average"), dtype="fp16", keep=("norm.*",))
    as_float = {
        n: reference(Method("average"), models[0][n].float(), [m[n] for m in models[1:]], []) for n in SHAPES
    }
    kept = {n: models[0][n] for n in SHAPES if n.startswith("norm.")}
    assert_same_bits(got.tensors, {n: t.half() for n, t in as_float.items()} | kept)
    assert b'"dtype": "float16"' in got.files["config.json"]


def test_ties_divides_by_one_where_the_weights_of_those_that_agree_cancel(write_model, run_merge):
    base, *experts = (
        write_model(n, {"w": torch.tensor([x])}) for n, x in (("b", 1.0), ("x", 3.0), ("y", -1.0))
    )
    method = Method("ties", {"density": 1.0, "scale": 1.0, "normalize": True})
    got = run_merge(base, zip(experts, (0.5, -0.5), strict=True), method)
    assert got.tensors["w"].item() == 1.0 + (0.5 * 2.0 + 0.5 * 2.0)


GOLDEN_BASE = torch.tensor([[1, -2, 0.5, 0], [0.25, 3, -1, 2]])
GOLDEN_DELTAS = [
    torch.tensor([[0.4, -0.1, 0, 0.3], [-0.2, 0.05, 0.6, 0]]),
    torch.tensor([[-0.3, 0.2, 0.1, 0.1], [0.4, -0.05, 0.2, -0.7]]),
    torch.tensor([[0.05, 0.3, -0.2, 0], [0, 0.15, -0.5, 0.1]]),
]
GOLDEN = [
    (
        "linear",
        {"normalize": True},
        [[1.09118, -1.83529, 0.411765, 0.105882], [0.261765, 3.08529, -1.05294, 1.92941]],
    ),
    (
        "task_arithmetic",
        {"scale": 1.0, "normalize": False},
        [[1.155, -1.72, 0.35, 0.18], [0.27, 3.145, -1.09, 1.88]],
    ),
    (
        "task_arithmetic",
        {"scale": 0.7, "normalize": True},
        [[1.06382, -1.88471, 0.438235, 0.0741176], [0.258235, 3.05971, -1.03706, 1.95059]],
    ),
    (
        "ties",
        {"density": 1.0, "scale": 1.0, "normalize": True},
        [[1.175, -1.725, 0.3, 0.225], [0.65, 3.11429, -1.5, 1.3]],
    ),
    (
        "ties",
        {"density": [0.5, 0.25, 0.75], "scale": 1.0, "normalize": True},
        [[1.175, -1.7, 0.3, 0.3], [0.65, 3.15, -1.5, 1.3]],
    ),
    (
        "ties",
        {"density": [0.5, 0.25, 0.75], "scale": 1.0, "normalize": False},
        [[1.245, -1.73, 0.32, 0.15], [0.37, 3.135, -1.45, 1.79]],
    ),
    (
        "breadcrumbs",
        {"density": 0.5, "gamma": 0.125, "scale": 1.0, "normalize": False, "rescale": "none"},
        [[1.11, -1.72, 0.32, 0.15], [0.27, 3.135, -0.94, 2.09]],
    ),
]


@pytest.mark.parametrize(("name", "args", "want"), GOLDEN)
def test_golden_vectors(write_model, run_merge, name, args, want):
    """Computed by an independent implementation in float32."""
    base = write_model("base", {"w": GOLDEN_BASE})
    experts = [write_model(f"x{i}", {"w": GOLDEN_BASE + d}) for i, d in enumerate(GOLDEN_DELTAS)]
    got = run_merge(base, zip(experts, WEIGHTS, strict=True), Method(name, args)).tensors["w"]
    torch.testing.assert_close(got, torch.tensor(want), atol=2e-5, rtol=0)
