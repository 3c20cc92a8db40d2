"""Rules: each tensor comes out as the merge that they describe for it would make it of all tensors."""

import itertools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from fusec.compiler.methods.rule import Place
from fusec.compiler.points import around, mixed
from fusec.compiler.step import methods_of
from fusec.runtime.kernel import Artifact, Method, RunError
from fusec.runtime.kernels.merge import tiles, units

LAYERS = 5
SHAPES = {"model.embed_tokens.weight": (16, 6), "lm_head.weight": (16, 6), "model.norm.weight": (6,)} | {
    f"model.layers.{layer}.{part}.weight": shape
    for layer in range(LAYERS)
    for part, shape in {"self_attn.q_proj": (6, 6), "mlp.up_proj": (9, 6), "input_layernorm": (6,)}.items()
}

LINEAR = Method("linear", {"normalize": True})
TIES = Method("ties", {"density": 0.5, "scale": 1.0, "normalize": True, "rescale": "none"})
DELLA = Method(
    "della_linear",
    {
        "density": (0.5, 0.4, 0.6),
        "scale": 1.0,
        "normalize": False,
        "rescale": "inverse_p",
        "epsilon": 0.1,
        "seed": 3,
    },
)


def slerp(t: float) -> Method:
    return Method("slerp", {"t": t})


def tensors(names: str, weights: Any = None, method: Method | None = None) -> Method:
    return Method("tensors", {"names": names, "weights": weights, "method": method})


def layers(start: int, stop: int, names: str = "*", weights: Any = None, method: Any = None) -> Method:
    args = {"start": start, "stop": stop, "names": names, "weights": weights, "method": method}
    return Method("layers", args)


def gradient(names: str = "*", weights: Any = None, method: Any = None, **more: Any) -> Method:
    bounds = {"start": 0, "stop": None, "ends": "apart"}
    return Method("gradient", {"names": names, "weights": weights, "method": method, **bounds, **more})


@pytest.fixture
def family(write_model: Callable[..., Artifact]) -> list[Artifact]:
    """A base and three experts."""
    generator = torch.Generator().manual_seed(5)
    base = {name: torch.randn(shape, generator=generator) for name, shape in SHAPES.items()}
    return [write_model("base", base)] + [
        write_model(
            f"e{n}", {k: v + 0.1 * torch.randn(v.shape, generator=generator) for k, v in base.items()}
        )
        for n in range(3)
    ]


def test_each_tensor_is_that_of_the_merge_its_first_rule_describes(
    family: list[Artifact], run_merge: Callable[..., SimpleNamespace]
) -> None:
    base, *experts = family
    weights = (0.5, 0.3, 0.9)
    rules = (
        tensors("*layers.1.*"),
        tensors("*self_attn*", (0.9, 0.1, 0.4)),
        layers(2, 4, "*mlp*", (1.0, 2.0, 3.0), TIES),
        tensors("*norm*", None, DELLA),
        tensors("*self_attn*", (7.0, 7.0, 7.0)),
    )
    made = run_merge(base, list(zip(experts, weights, strict=True)), LINEAR, rules=rules).tensors

    def alone(method: Method, weights: tuple[float, ...]) -> Any:
        return run_merge(base, list(zip(experts, weights, strict=True)), method).tensors

    plain = alone(LINEAR, weights)
    wanted = {
        name: next(
            (
                said
                for matches, said in [
                    ("layers.1." in name, plain),
                    ("self_attn" in name, alone(LINEAR, (0.9, 0.1, 0.4))),
                    ("layers.2.mlp" in name or "layers.3.mlp" in name, alone(TIES, (1.0, 2.0, 3.0))),
                    ("norm" in name, alone(DELLA, weights)),
                ]
                if matches
            ),
            plain,
        )[name]
        for name in SHAPES
    }
    for name, tensor in wanted.items():
        assert torch.equal(made[name], tensor), name
    assert not torch.equal(
        made["model.layers.0.self_attn.q_proj.weight"], plain["model.layers.0.self_attn.q_proj.weight"]
    )


def test_the_order_of_experts_cut_and_threads_change_no_bit(
    family: list[Artifact], run_merge: Callable[..., SimpleNamespace], monkeypatch: pytest.MonkeyPatch
) -> None:
    base, *experts = family
    points = ((0.2, 0.3, 0.5), (0.9, 0.8, 0.1))
    results = []
    for places in itertools.permutations(range(3)):

        def turned(values: tuple[Any, ...], places: tuple[int, ...] = places) -> tuple[Any, ...]:
            return tuple(values[place] for place in places)

        della = Method("della_linear", {**DELLA.args, "density": turned(DELLA["density"])})
        rules = (
            tensors("*norm*", None, della),
            gradient(
                "*mlp*", tuple(map(turned, points)), (TIES, Method("ties", {**TIES.args, "density": 0.2}))
            ),
            tensors("*embed*", turned((0.1, 0.2, 0.3))),
        )
        monkeypatch.setattr(units, "SPAN", 7 * (1 + places[0]))
        monkeypatch.setattr(tiles, "WORKING_SET", 100 * (1 + places[1]))
        weighted = list(zip(turned(tuple(experts)), turned((0.5, 0.3, 0.9)), strict=True))
        results.append(run_merge(base, weighted, LINEAR, rules=rules, threads=1 + places[2]).files)
    assert all(result == results[0] for result in results)


def test_a_gradient_is_interpolated_over_the_layers(
    family: list[Artifact], run_merge: Callable[..., SimpleNamespace]
) -> None:
    base, expert, *_ = family
    rules = (
        gradient("*self_attn*", method=(slerp(0.0), slerp(1.0), slerp(0.5))),
        gradient("*mlp*", method=(slerp(0.3),)),
    )
    made = run_merge(base, [expert], slerp(0.7), rules=rules).tensors
    for layer, t in enumerate([0.0, 0.5, 1.0, 0.75, 0.5]):
        name = f"model.layers.{layer}.self_attn.q_proj.weight"
        assert torch.equal(made[name], run_merge(base, [expert], slerp(t)).tensors[name])
    for names, t in {"mlp.up_proj": 0.3, "input_layernorm": 0.7}.items():
        name = f"model.layers.2.{names}.weight"
        assert torch.equal(made[name], run_merge(base, [expert], slerp(t)).tensors[name])


@pytest.mark.parametrize(("ends", "t"), [("apart", 0.7), ("first", 0.0)])
def test_what_is_in_no_layer_is_left_to_others_or_has_the_first_point(
    family: list[Artifact], run_merge: Callable[..., SimpleNamespace], ends: str, t: float
) -> None:
    base, expert, *_ = family
    rules = (gradient(method=(slerp(0.0), slerp(1.0)), ends=ends),)
    made, whole = (run_merge(base, [expert], slerp(s), rules=r).tensors for s, r in ((0.7, rules), (t, ())))
    for name in ("model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"):
        assert torch.equal(made[name], whole[name])


def test_a_gradient_over_some_layers_ends_with_them(
    family: list[Artifact], run_merge: Callable[..., SimpleNamespace]
) -> None:
    base, expert, *_ = family
    first = gradient(method=(slerp(0.0), slerp(1.0)), start=0, stop=3)
    second = gradient(method=(slerp(0.0), slerp(0.5)), start=4, stop=5)
    made = run_merge(base, [expert], slerp(0.9), rules=(first, second)).tensors
    for layer, t in enumerate([0.0, 0.5, 1.0, 0.9, 0.5]):
        name = f"model.layers.{layer}.mlp.up_proj.weight"
        assert torch.equal(made[name], run_merge(base, [expert], slerp(t)).tensors[name])


def by_definition(points: list[float], t: float) -> float:
    """mergekit's gradient: linear between the neighbours of `t (m - 1)`."""
    position = t * (len(points) - 1)
    before = min(int(position), len(points) - 2) if len(points) > 1 else 0
    share = position - before
    return points[before] if len(points) == 1 else (1 - share) * points[before] + share * points[before + 1]


@pytest.mark.parametrize(
    "points", [[0.4], [0.0, 1.0], [0.0, 0.5, 0.3, 0.7, 1.0], [1.0, 0.5, 0.7, 0.3, 0.0, 2.0]]
)
@pytest.mark.parametrize("count", [1, 2, 3, 32])
def test_points_are_those_of_the_definition(points: list[float], count: int) -> None:
    for layer in range(count):
        t = layer / (count - 1) if count > 1 else 1.0
        assert mixed(*around(points, layer, count)) == pytest.approx(by_definition(points, t), abs=1e-12)


def test_lists_and_numbers_for_all_are_mixed() -> None:
    assert mixed((0.2, 0.4), 0.6, 0.5) == pytest.approx((0.4, 0.5))
    assert mixed(True, True, 0.3) is True


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (tensors("*attention*"), "the pattern of `tensors` cannot be `\\*attention\\*`"),
        (layers(4, 6), "the range of `layers` cannot be 4 up to 6"),
        (gradient("*norm.bias", ((1.0,), (2.0,))), "the pattern of `gradient`"),
    ],
)
def test_a_rule_that_means_no_tensor_is_an_error(
    family: list[Artifact], run_merge: Callable[..., SimpleNamespace], rule: Method, says: str
) -> None:
    with pytest.raises(RunError, match=says):
        run_merge(family[0], [family[1]], LINEAR, rules=(rule,))


def test_layers_need_one_list_of_them(
    write_model: Callable[..., Artifact], run_merge: Callable[..., SimpleNamespace]
) -> None:
    models = [write_model(name, {"a.0.x": torch.ones(2), "b.0.x": torch.ones(2)}) for name in ("m0", "m1")]
    with pytest.raises(RunError, match="numbered in `a`, `b`"):
        run_merge(models[0], [models[1]], LINEAR, rules=(layers(0, 1),))


def test_reads_are_those_of_each_tensor_s_method(
    family: list[Artifact], run_merge: Callable[..., SimpleNamespace]
) -> None:
    base, *experts = family
    rules = (tensors("*mlp*", method=TIES), tensors("*norm*", method=Method("average")))
    meter = run_merge(base, experts, LINEAR, rules=rules).meter
    size = {name: 4 * torch.Size(shape).numel() for name, shape in SHAPES.items()}
    mlp = sum(count for name, count in size.items() if "mlp" in name)
    passes = methods_of("merge")["ties"](**TIES.args).passes(3)
    assert meter.expert_bytes == 3 * (sum(size.values()) + (passes.experts - 1) * mlp)
    assert meter.bytes_read - meter.expert_bytes == passes.base * mlp


def test_one_layer_has_the_last_point() -> None:
    assert around([0.1, 0.9], *Place()) == (0.9, 0.9, 0.0)
