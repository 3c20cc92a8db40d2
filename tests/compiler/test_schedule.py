"""Wall time on a cluster: between what the longest chain and the load allow, and one step after another."""

from __future__ import annotations

import pytest
import world
from hypothesis import given
from hypothesis import strategies as st

from fusec.compiler.cost import Range, exactly
from fusec.compiler.placement import Ask, Place, Pool
from fusec.compiler.schedule import wall_time

Work = tuple[dict[str, Range], dict[str, list[str]]]


@st.composite
def works(draw: st.DrawFn) -> Work:
    count = draw(st.integers(1, 8))
    names = [f"s{n}" for n in range(count)]
    seconds = {name: exactly(draw(st.integers(0, 9))) for name in names}
    needs = {
        name: draw(st.lists(st.sampled_from([*names[:at], "a source"]), unique=True, max_size=3))
        for at, name in enumerate(names)
    }
    return seconds, needs


def chain(seconds: dict[str, Range], needs: dict[str, list[str]]) -> float:
    ends: dict[str, float] = {}
    for name in seconds:
        ends[name] = seconds[name].likely + max((ends.get(need, 0.0) for need in needs[name]), default=0.0)
    return max(ends.values())


@given(works(), st.integers(1, 9))
def test_between_the_longest_chain_and_one_after_another(work: Work, machines: int) -> None:
    seconds, needs = work
    pools = (Pool(machines, 4, 0, None, None, None, ()),)
    places = dict.fromkeys(seconds, Place(Ask(), (0,)))
    wall = wall_time(seconds, places, needs, pools).likely
    load = sum(amount.likely for amount in seconds.values())
    assert max(chain(seconds, needs), load / machines) <= wall <= load
    if machines == 1:
        assert wall == load
    if machines >= len(seconds):
        assert wall == chain(seconds, needs)


SPEC = """edition 2026
param seed = 17
let skills = ["math", "code", "law"]
model expert[s in skills] from "fixture:llama-a-{s}"
data pairs from "fixture:pairs"
model tuned[s in skills] = finetune { model: expert[s], data: pairs, epochs: 90000, resources: gpus(2) }
model merged = merge { base: expert["law"], experts: tuned, method: average }
target one = ray(address: "auto", nodes: [node(gpus: a100(2))], store: "/mnt")
target some = ray(address: "auto", nodes: [node(gpus: a100(4))], store: "/mnt")
target many = ray(address: "auto", nodes: [node(count: 3, gpus: a100(2))], store: "/mnt")
target here = local(gpus: a100(8))
output merged to "./out/merged"
"""


def test_a_family_is_trained_as_far_as_the_gpus_go() -> None:
    plans = {name: world.planned(SPEC, name)[1] for name in ("one", "some", "many", "here")}
    long = next(task.seconds.likely for task in plans["one"].tasks if task.verb == "finetune")
    walls = {name: plan.wall.likely / long for name, plan in plans.items()}
    assert walls == pytest.approx({"one": 3, "some": 2, "many": 1, "here": 3}, rel=0.02)
