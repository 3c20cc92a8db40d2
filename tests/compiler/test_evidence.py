"""What earlier steps say of the next: bounded by the built-in rates, robust, the same in any order."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusec.compiler.cost import LOCAL_CPU, Cost, Range, about, exactly
from fusec.compiler.evidence import BUILT_IN, Correction, Corrections, Pair, fit
from fusec.compiler.predicting import predict
from fusec.compiler.pricing import with_threads

amounts = st.floats(0, 1e12)
ranges = st.tuples(amounts, amounts, amounts).map(sorted).map(lambda three: Range(*three))
costs = st.builds(Cost, reads=ranges, writes=ranges, expert_reads=ranges, flops=ranges)
corrections = st.builds(
    Correction,
    start=st.floats(1e-3, 1e2),
    loading=st.floats(0.01, 100),
    work=st.floats(0.01, 100),
    runs=st.integers(0, 50),
    error=st.floats(0, 2.6),
)
steps = st.tuples(st.floats(1e6, 1e13), st.sampled_from((0.0, 3.4)), st.floats(0.001, 1e4))


@dataclass(frozen=True)
class Machine:
    """One on which every step takes `start + loading * L + work * B` seconds."""

    start: float = 0.5
    loading: float = 2.0
    work: float = 3.0

    def step(self, flops: float, loading: float = 0.0, off: float = 1.0) -> Pair:
        seconds = self.start + self.loading * loading + self.work * flops / LOCAL_CPU.flops.likely
        return pair(flops, loading, seconds * off)


def pair(flops: float, loading: float, seconds: float, method: str = "", verb: str = "finetune") -> Pair:
    return Pair(verb, method, "cpu", 2, 0.0, 0.0, flops, 0.0, loading, seconds)


def seconds(correction: Correction, flops: float, loading: float = 0.0) -> Range:
    return predict(LOCAL_CPU, correction, Cost(flops=exactly(flops)), loading)[0]


def test_without_evidence_the_built_in_numbers_stand() -> None:
    assert fit((), LOCAL_CPU) == BUILT_IN
    assert seconds(BUILT_IN, 6e10).likely == pytest.approx(1.02)


def test_start_loading_and_work_are_told_apart() -> None:
    machine = Machine()
    seen = [
        machine.step(flops, loading) for flops in (1e8, 1e10, 1e12) for loading in (0.0, 3.4) for _ in "12"
    ]
    found = fit(tuple(seen), LOCAL_CPU)
    assert found.start == pytest.approx(machine.start, rel=0.05)
    assert found.loading == pytest.approx(machine.loading, rel=0.05)
    assert found.work == pytest.approx(machine.work, rel=0.05)


def test_one_step_is_believed_as_far_as_the_built_in_numbers_allow() -> None:
    flops = 6e12
    near, far = pair(flops, 0.0, 300.0), pair(flops, 0.0, 1e6)
    assert seconds(fit((near,), LOCAL_CPU), flops).likely == pytest.approx(300, rel=0.01)
    assert 100 < seconds(fit((far,), LOCAL_CPU), flops).likely < 1000


@settings(deadline=None, max_examples=30)
@given(st.lists(steps, min_size=1, max_size=8), st.randoms())
def test_order_does_not_matter(seen, random) -> None:
    pairs = [pair(*step) for step in seen]
    mixed = random.sample(pairs, len(pairs))
    assert fit(tuple(pairs), LOCAL_CPU) == fit(tuple(mixed), LOCAL_CPU)


@settings(deadline=None, max_examples=30)
@given(st.integers(4, 12), st.floats(1e-4, 1e4), st.floats(1e8, 1e13))
def test_a_wild_step_moves_little(count: int, off: float, flops: float) -> None:
    usual = [Machine().step(flops, off=1 + 0.02 * (at % 3 - 1)) for at in range(count)]
    calm = seconds(fit(tuple(usual), LOCAL_CPU), flops)
    stirred = seconds(fit((*usual, Machine().step(flops, off=off)), LOCAL_CPU), flops)
    assert stirred.likely == pytest.approx(calm.likely, rel=0.05)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10), st.floats(1e7, 1e13))
def test_evidence_that_agrees_narrows_the_range(count: int, flops: float) -> None:
    seen = tuple(Machine().step(flops) for _ in range(count + 1))
    before, after = (seconds(fit(some, LOCAL_CPU), flops) for some in (seen[:-1], seen))
    assert after.high / after.low < before.high / before.low


@given(costs, corrections, st.floats(0, 10))
def test_ranges_stay_ordered_and_add_up(cost: Cost, correction: Correction, loading: float) -> None:
    found, basis = predict(LOCAL_CPU, correction, cost, loading)
    assert 0 < found.low <= found.likely <= found.high
    parts = (basis.start, basis.loading, basis.reading, basis.decoding, basis.computing, basis.writing)
    assert math.isclose(sum(parts), found.likely)


@given(costs, corrections, st.integers(0, 20))
def test_a_range_never_gets_wider_than_without_evidence(
    cost: Cost, correction: Correction, runs: int
) -> None:
    wide = 1.3
    more = Correction(correction.start, correction.loading, correction.work, runs, correction.error)
    assert more.width(wide) <= wide


def test_what_the_amounts_leave_open_stays_open() -> None:
    sure = Correction(runs=1000)
    found, _ = predict(LOCAL_CPU, sure, Cost(flops=about(6e12, 2)))
    assert found.high / found.likely == pytest.approx(2, rel=0.1)


def test_a_method_is_judged_by_its_own_steps_and_a_new_one_by_its_verb() -> None:
    quick = [pair(6e10, 0.0, 2.0, "average", "merge") for _ in range(6)]
    slow = [pair(6e10, 0.0, 6.0, "ties", "merge") for _ in range(6)]
    found = Corrections([*quick, *slow], LOCAL_CPU)
    average, ties, dare = (
        seconds(found.of("merge", name), 6e10).likely for name in ("average", "ties", "dare")
    )
    assert average == pytest.approx(2, rel=0.1)
    assert ties == pytest.approx(6, rel=0.1)
    assert 2 <= dare <= 6
    assert found.of("evaluate", "") == BUILT_IN
    assert found.used == 12


def test_steps_with_as_many_threads_count_else_those_nearest() -> None:
    def ran(device: str, threads: int) -> Pair:
        return Pair("merge", "", device, threads, 0.0, 0.0, 1e9, 0.0, 0.0, 1.0)

    seen = [ran("cpu", 1), ran("cpu", 8), ran("cuda", 4)]
    assert with_threads(8, "cpu", seen) == [ran("cpu", 8)]
    assert with_threads(3, "cpu", seen) == [ran("cpu", 8)]
    assert with_threads(2, "cpu", seen) == [ran("cpu", 1)]
    assert with_threads(64, "cuda", seen) == [ran("cuda", 4)]
    assert with_threads(2, "cpu", []) == []
