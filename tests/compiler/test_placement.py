"""Where steps are placed, against a search through every way to place them."""

from __future__ import annotations

from itertools import product

import pytest
import world
from hypothesis import given
from hypothesis import strategies as st

from fusec.compiler.methods.device import A100, T4, Device
from fusec.compiler.placement import Ask, Pool, place
from fusec.compiler.plan import Task

GB = 10**9


def pool(count: int, gpus: int, device: type[Device] | None = A100, cpus: int | None = None) -> Pool:
    return Pool(count, cpus, gpus, device if gpus else None, None, None, ())


@st.composite
def clusters(draw: st.DrawFn) -> tuple[Pool, ...]:
    sizes = draw(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 5)), min_size=1, max_size=3))
    return tuple(pool(count, gpus, draw(st.sampled_from((A100, T4)))) for count, gpus in sizes)


asks = st.builds(
    Ask,
    groups=st.lists(st.tuples(st.just("part"), st.integers(1, 6)), min_size=1, max_size=3).map(tuple),
    memory=st.sampled_from((0.0, 20.0 * GB, 200.0 * GB)),
    bf16=st.booleans(),
)


def some_way(ask: Ask, pools: tuple[Pool, ...]) -> bool:
    """Whether any assignment of groups to machines holds."""
    nodes = [one for one in pools for _ in range(one.count)]
    for chosen in product(range(len(nodes)), repeat=len(ask.groups)):
        used = [0] * len(nodes)
        for node, (_, count) in zip(chosen, ask.groups, strict=True):
            used[node] += count
        device = nodes[chosen[0]].device
        if device is not None and all(a <= b.gpus for a, b in zip(used, nodes, strict=True)):
            fits = ask.memory <= ask.groups[0][1] * device.memory
            if fits and (device.bf16 or not ask.bf16):
                return True
    return False


@given(asks, clusters())
def test_a_step_is_placed_exactly_when_there_is_a_way(ask: Ask, pools: tuple[Pool, ...]) -> None:
    found = place(ask, pools)
    assert (found is not None) == some_way(ask, pools)
    if found is not None:
        assert all(pools[at].gpus >= count for at, (_, count) in zip(found.pools, ask.groups, strict=True))


def test_processors_are_taken_where_no_gpu_would_idle() -> None:
    pools = (pool(1, 8, cpus=96), pool(1, 0, cpus=64))
    for ask, at in ((Ask(), 1), (Ask(cpus=64), 1), (Ask(cpus=65), 0)):
        found = place(ask, pools)
        assert found is not None
        assert found.pools == (at,)
    assert place(Ask(cpus=97), pools) is None


SPEC = """edition 2026
param seed = 17
param rows = 400 rows
model base from "fixture:llama-a"
data pairs from "fixture:pairs" |> sample { rows: rows }
model tuned = finetune { model: base, data: pairs, epochs: 40, RESOURCES }
target none = local(cpus: 1)
target cpus = local(cpus: 8, price: 8 USD/h)
target gpus = ray(
  address: "auto",
  nodes: [node(gpus: a100(8), price: 16 USD/h), node(cpus: 4, price: 1 USD/h)],
  store: "s3://store",
)
output tuned to "./out/tuned"
"""


def task(resources: str, target: str) -> Task:
    _, plan = world.planned(SPEC.replace("RESOURCES", resources), target)
    return next(task for task in plan.tasks if task.name == "tuned")


def test_a_step_pays_for_what_it_holds_as_long_as_it_holds_it() -> None:
    for resources, target, price, gpus in (
        ("", "cpus", 8, 0),
        ("resources: cpus(2)", "cpus", 2, 0),
        ("", "gpus", 2, 1),
        ("resources: gpus(4)", "gpus", 8, 4),
        ("resources: gpus(train: 4, teacher: 2)", "gpus", 12, 6),
        ("resources: cpus(2)", "gpus", 0.5, 0),
    ):
        found = task(resources, target)
        assert found.money is not None
        assert found.money.likely * 3600 / found.seconds.likely == pytest.approx(price)
        assert found.gpu_hours.likely * 3600 == pytest.approx(gpus * found.seconds.likely)
    assert task("", "none").money is None


def test_more_processors_and_gpus_are_faster() -> None:
    ways = (("resources: cpus(1)", "cpus"), ("", "cpus"), ("", "gpus"), ("resources: gpus(8)", "gpus"))
    times = [basis.computing for way in ways if (basis := task(*way).basis) is not None]
    assert times == sorted(times, reverse=True)
    assert len(set(times)) == len(times)
