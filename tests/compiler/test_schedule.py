"""Schedules on a cluster: no machine gives more than it has, and no machine waits without a reason."""

from __future__ import annotations

import time

import pytest
import world
from hypothesis import given
from hypothesis import strategies as st

from fusec.compiler.cost import Range, exactly
from fusec.compiler.methods.device import A100
from fusec.compiler.placement import Ask, Place, Pool, place
from fusec.compiler.rooms import room_of, whole
from fusec.compiler.schedule import spans, timetable

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
    wall = timetable(seconds, places, needs, pools)[1].likely
    load = sum(amount.likely for amount in seconds.values())
    assert max(chain(seconds, needs), load / machines) <= wall <= load
    if machines == 1:
        assert wall == load
    if machines >= len(seconds):
        assert wall == chain(seconds, needs)


GB = 10**9
CLUSTERS = (
    (Pool(2, 8, 4, A100, 64 * GB, None, ()),),
    (Pool(1, 8, 2, A100, 64 * GB, None, ()), Pool(2, 16, 0, None, 32 * GB, None, ("other",))),
    (Pool(1, None, 4, A100, None, None, ()), Pool(1, None, 4, A100, None, None, ("the same",))),
)
asks = st.one_of(
    st.just(Ask()),
    st.builds(Ask, cpus=st.integers(1, 8), memory=st.sampled_from((0.0, 20.0 * GB))),
    st.builds(
        Ask,
        groups=st.lists(st.tuples(st.just("part"), st.integers(1, 4)), min_size=1, max_size=2).map(tuple),
        spread=st.booleans(),
    ),
)


@st.composite
def placed(draw: st.DrawFn) -> tuple[Work, dict[str, Place], tuple[Pool, ...]]:
    """Work of which every step has its place in a cluster."""
    seconds, needs = draw(works())
    pools = draw(st.sampled_from(CLUSTERS))
    possible = asks.map(lambda ask: place(ask, pools)).filter(lambda found: found is not None)
    return (seconds, needs), {name: draw(possible) for name in seconds}, pools


@given(placed())
def test_no_machine_gives_more_than_it_has(work: tuple[Work, dict[str, Place], tuple[Pool, ...]]) -> None:
    (seconds, needs), places, pools = work
    lengths = {name: amount.likely for name, amount in seconds.items()}
    found = spans(lengths, places, needs, pools)
    assert found == spans(lengths, places, needs, pools)
    assert found.keys() == seconds.keys()
    for name, span in found.items():
        assert span.stop == span.start + lengths[name]
        assert all(found[need].stop <= span.start for need in needs[name] if need in found)
        ask = places[name].ask
        if not ask.groups:
            (held,) = span.held
            assert held[2:] == room_of(ask, 0, pools[held.pool])
        elif ask.spread:
            assert sum(held.gpus for held in span.held) == ask.gpus
        else:
            assert sorted(held.gpus for held in span.held) == sorted(count for _, count in ask.groups)
    for span in found.values():
        used: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
        for other in found.values():
            if other.start <= span.start < other.stop:
                for held in other.held:
                    used.setdefault((held.pool, held.machine), []).append(held[2:])
        for (pool, machine), rooms in used.items():
            assert machine < pools[pool].count
            assert all(
                sum(each) <= most
                for each, most in zip(zip(*rooms, strict=True), whole(pools[pool]), strict=True)
            )


@given(placed())
def test_an_end_is_no_earlier_than_chain_and_load_allow(
    work: tuple[Work, dict[str, Place], tuple[Pool, ...]],
) -> None:
    (seconds, needs), places, pools = work
    _, wall = timetable(seconds, places, needs, pools)
    gpu_seconds = sum(seconds[name].likely * places[name].ask.gpus for name in seconds)
    gpus = sum(pool.count * pool.gpus for pool in pools)
    assert max(chain(seconds, needs), gpu_seconds / gpus) - 1e-9 <= wall.likely
    assert wall.low <= wall.likely <= wall.high
    assert wall.likely <= sum(amount.likely for amount in seconds.values()) + 1e-9


def test_what_most_waits_for_begins_first() -> None:
    seconds = {"short": exactly(1), "long": exactly(1), "after": exactly(5)}
    needs = {"short": [], "long": [], "after": ["long"]}
    pools = (Pool(1, 4, 0, None, None, None, ()),)
    places = dict.fromkeys(seconds, Place(Ask(), (0,)))
    found = spans({name: amount.likely for name, amount in seconds.items()}, places, needs, pools)
    assert [(name, span.start) for name, span in found.items()] == [("long", 0), ("after", 1), ("short", 6)]


def test_the_parts_of_a_gang_begin_at_once() -> None:
    gang = Ask(groups=(("train", 3), ("teacher", 2)))
    pools = (Pool(2, 8, 4, A100, None, None, ()),)
    asks = {"one": Ask(groups=(("", 3),)), "gang": gang, "two": Ask(groups=(("", 1),))}
    places = {name: found for name, ask in asks.items() if (found := place(ask, pools)) is not None}
    lengths = {"one": 4.0, "gang": 2.0, "two": 1.0}
    found = spans(lengths, places, {name: [] for name in lengths}, pools)
    assert [(held.machine, held.gpus) for held in found["one"].held] == [(0, 3)]
    assert found["gang"].start == 4  # two GPUs lie idle until then: its parts never wait for each other
    assert found["two"].start == 0


def test_thousands_of_steps_are_scheduled_in_a_moment() -> None:
    count = 10_000
    lengths = {f"s{n}": float(n % 7) for n in range(count)}
    needs = {f"s{n}": [f"s{n - 50}"] if n >= 50 and n % 3 else [] for n in range(count)}
    pools = (Pool(50, 64, 8, A100, 10**12, None, ()),)
    places = {
        name: Place(
            Ask(cpus=1 + n % 5, memory=float(n % 997) * GB) if n % 2 else Ask(groups=(("", 2),)), (0,)
        )
        for n, name in enumerate(lengths)
    }
    began = time.process_time()
    assert len(spans(lengths, places, needs, pools)) == count
    assert time.process_time() - began < 5


SPEC = """edition 2026
param seed = 17
let skills = ["math", "code", "law"]
model expert[s in skills] from "fixture:llama-a-{s}"
data pairs from "fixture:pairs"
model tuned[s in skills] = finetune { model: expert[s], data: pairs, epochs: 90_000_000, resources: gpus(2) }
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
